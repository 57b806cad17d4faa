-- What was judged, what was decided, who was told. Times are UTC without zone.
-- `body` is the whole frozen value as JSON (analyzer/store/codec.py); the other columns are for filters.
CREATE TABLE incidents (
    id VARCHAR, resource VARCHAR, kind VARCHAR, state VARCHAR, severity VARCHAR,
    started_at TIMESTAMP, updated_at TIMESTAMP, detected_at TIMESTAMP, ended_at TIMESTAMP,
    seq BIGINT, aggressors VARCHAR[], victims VARCHAR[], withdrawn BOOLEAN, body VARCHAR
);
-- Append only.
CREATE TABLE transitions (
    incident VARCHAR, seq BIGINT, type VARCHAR, ts TIMESTAMP, recorded_at TIMESTAMP,
    state VARCHAR, reason VARCHAR, by_whom VARCHAR
);
-- Labels given by people, append only; the newest one is also in the incident.
CREATE TABLE labels (
    incident VARCHAR, ts TIMESTAMP, label VARCHAR, note VARCHAR, by_whom VARCHAR
);
CREATE TABLE decisions (
    id VARCHAR, incident VARCHAR, action VARCHAR, state VARCHAR, tenant VARCHAR, resource VARCHAR,
    created_at TIMESTAMP, expires_at TIMESTAMP, updated_at TIMESTAMP, body VARCHAR
);
-- Append only.
CREATE TABLE decision_changes (
    decision VARCHAR, ts TIMESTAMP, state VARCHAR, reason VARCHAR, by_whom VARCHAR
);
CREATE TABLE annotations (
    id VARCHAR, ts TIMESTAMP, received_at TIMESTAMP, title VARCHAR, detail VARCHAR,
    resource VARCHAR, tenant VARCHAR, source VARCHAR
);

-- The outbox. A lane is what must stay in order (an incident); seq counts within the lane.
CREATE TABLE events (
    id VARCHAR, type VARCHAR, lane VARCHAR, seq BIGINT, incident VARCHAR, ts TIMESTAMP,
    created_at TIMESTAMP, test BOOLEAN, body VARCHAR
);
CREATE TABLE endpoints (
    id VARCHAR, name VARCHAR, url VARCHAR, format VARCHAR, secret VARCHAR, routing_key VARCHAR,
    events VARCHAR[], source VARCHAR, state VARCHAR, created_at TIMESTAMP,
    failures BIGINT, failing_since TIMESTAMP, told_failing BOOLEAN, hold_until TIMESTAMP
);
-- state: pending, in_flight, delivered, skipped, superseded, dead.
CREATE TABLE deliveries (
    id VARCHAR, event VARCHAR, endpoint VARCHAR, lane VARCHAR, seq BIGINT, state VARCHAR,
    attempt BIGINT, next_at TIMESTAMP, lease_until TIMESTAMP, created_at TIMESTAMP,
    queued_at TIMESTAMP, delivered_at TIMESTAMP, status INTEGER, ms DOUBLE, error VARCHAR,
    replay BOOLEAN
);
CREATE TABLE attempts (
    delivery VARCHAR, n BIGINT, started_at TIMESTAMP, ms DOUBLE, status INTEGER, error VARCHAR,
    request_headers VARCHAR, request_body VARCHAR, response_headers VARCHAR, response_body VARCHAR
);
