-- The fullest hour of each resource and day, made with the day's sums: where it was not full, the
-- day's sums say what a statement needs, and nobody reads its hours. Days rolled up before this
-- table was there have no row, and are read by the hour.
CREATE TABLE peaks_1d (ts TIMESTAMP, resource VARCHAR, busy_us BIGINT);
