-- Stretches of time of delta series that no point has covered: a late point that lies in one counts.
CREATE TABLE delta_gaps (ix BIGINT, since_ms BIGINT, until_ms BIGINT);
