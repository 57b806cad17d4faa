-- Usage and what is known of tenants and resources. Times are UTC without zone.

-- What was drained, written in the same transaction as its rows: a segment counts once.
-- `newest` is the end of the newest sample or window in the segment.
CREATE TABLE segments (
    id VARCHAR, drained_at TIMESTAMP, frames BIGINT, samples BIGINT, rows BIGINT, newest TIMESTAMP
);
CREATE TABLE batches (id VARCHAR, seen_at TIMESTAMP);

-- The memory of the drain. A series keeps its number `ix` for ever; `series_sids` says which number
-- a spool generation means by a sid; `counter_states` is appended to (the highest `seq` of an `ix`
-- is true) and folded now and then, so that a drain costs what changed and not what is known.
CREATE TABLE series (
    ix BIGINT, identity UBIGINT, tenant VARCHAR, resource VARCHAR, family VARCHAR,
    feeds VARCHAR, kind VARCHAR, bound DOUBLE, histogram VARCHAR
);
CREATE TABLE series_sids (generation VARCHAR, sid BIGINT, ix BIGINT);
CREATE TABLE counter_states (
    seq BIGINT, ix BIGINT, last_ms BIGINT, last_value BIGINT, start_ms BIGINT
);
CREATE TABLE generations (id VARCHAR, first_ms BIGINT, seen_at TIMESTAMP);
CREATE TABLE watched (resource VARCHAR, since_ms BIGINT);

-- Bounds in seconds of the latency buckets; id 0 is the default grid of `collector.model`.
CREATE TABLE latency_bounds (id SMALLINT, bounds DOUBLE[]);
INSERT INTO latency_bounds
SELECT 0, list_transform(range(-20, 11), lambda k: pow(2.0::DOUBLE, k / 2));

-- One row per (window, resource, tenant, family) after summing; several rows add up.
CREATE TABLE usage_10s (
    ts TIMESTAMP, window_s INTEGER, tenant VARCHAR, resource VARCHAR, family VARCHAR,
    arrived BIGINT, "count" BIGINT, errors BIGINT, busy_us BIGINT, latency_sum_us BIGINT,
    bounds SMALLINT,
    b00 BIGINT, b01 BIGINT, b02 BIGINT, b03 BIGINT, b04 BIGINT, b05 BIGINT, b06 BIGINT, b07 BIGINT,
    b08 BIGINT, b09 BIGINT, b10 BIGINT, b11 BIGINT, b12 BIGINT, b13 BIGINT, b14 BIGINT, b15 BIGINT,
    b16 BIGINT, b17 BIGINT, b18 BIGINT, b19 BIGINT, b20 BIGINT, b21 BIGINT, b22 BIGINT, b23 BIGINT,
    b24 BIGINT, b25 BIGINT, b26 BIGINT, b27 BIGINT, b28 BIGINT, b29 BIGINT, b30 BIGINT, b31 BIGINT,
    waiting DOUBLE, wait_us BIGINT, volume BIGINT, throttled BIGINT
);
CREATE TABLE usage_1m AS FROM usage_10s WHERE false;
CREATE TABLE usage_1h AS FROM usage_10s WHERE false;
CREATE TABLE usage_1d AS FROM usage_10s WHERE false;

-- Late or new data marks the minutes, hours and days it touches; the roll-up redoes just those.
-- `grain` is the table to be redone: 1m, 1h or 1d.
CREATE TABLE dirty (grain VARCHAR, ts TIMESTAMP);
-- Up to where a grain was given up (rows before `until` are gone): such windows are added to, never
-- redone, because what they were made of no longer exists.
CREATE TABLE retained (grain VARCHAR, until TIMESTAMP);
CREATE TABLE watermark ("at" TIMESTAMP);

CREATE TABLE tenants (
    id VARCHAR, name VARCHAR, plan VARCHAR, price_minor BIGINT, isolation VARCHAR, pins VARCHAR[],
    slo_ms DOUBLE, "floor" DOUBLE, created_at TIMESTAMP, deleted_at TIMESTAMP
);
CREATE TABLE resources (
    id VARCHAR, kind VARCHAR, capacity DOUBLE, parent VARCHAR, created_at TIMESTAMP
);
-- History: a row is true from `from_ts` until `to_ts` (null: still).
CREATE TABLE placements (
    tenant VARCHAR, resource VARCHAR, isolation VARCHAR, from_ts TIMESTAMP, to_ts TIMESTAMP
);

-- The load each tenant usually offers, learned from the roll-ups; `busy` as in `offered`.
CREATE TABLE expected (
    tenant VARCHAR, resource VARCHAR, family VARCHAR, busy DOUBLE, learned_at TIMESTAMP
);

-- Usage of a time range from the coarsest grain that fits, finer towards the watermark:
-- days until `days`, hours until `hours`, minutes until `minutes`, tens of seconds until `until`.
CREATE MACRO usage_spans(since, days, hours, minutes, until) AS TABLE
SELECT * FROM usage_1d WHERE ts >= since AND ts < days
UNION ALL
SELECT * FROM usage_1h WHERE ts >= days AND ts < hours
UNION ALL
SELECT * FROM usage_1m WHERE ts >= hours AND ts < minutes
UNION ALL
SELECT * FROM usage_10s WHERE ts >= minutes AND ts < until;

-- Load offered, in busy seconds: server time, raised by what arrived but was not finished (at most
-- tenfold). Where server time is not measured, an operation stands for a millisecond: shares and
-- ratios do not mind the unit.
CREATE MACRO offered(busy_us, arrived, finished) AS
CASE
    WHEN busy_us IS NULL THEN 1e-3 * coalesce(arrived, finished)
    ELSE
        busy_us / 1e6
        * least(10.0, greatest(1.0, coalesce(arrived / nullif(finished, 0), 1.0)))
END;
