-- Usage and what is known of tenants and resources. Times are UTC without zone.
CREATE TABLE segments (id VARCHAR, drained_at TIMESTAMP, frames BIGINT, samples BIGINT, rows BIGINT);
CREATE TABLE batches (id VARCHAR, seen_at TIMESTAMP);
CREATE TABLE latency_bounds (id SMALLINT, bounds DOUBLE[]);

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
CREATE TABLE dirty (grain VARCHAR, ts TIMESTAMP);
CREATE TABLE watermark ("at" TIMESTAMP);

CREATE TABLE tenants (
    id VARCHAR, name VARCHAR, plan VARCHAR, price_minor BIGINT, isolation VARCHAR, pins VARCHAR[],
    slo_ms DOUBLE, "floor" DOUBLE, created_at TIMESTAMP, deleted_at TIMESTAMP
);
CREATE TABLE resources (
    id VARCHAR, kind VARCHAR, capacity DOUBLE, parent VARCHAR, created_at TIMESTAMP
);
CREATE TABLE placements (
    tenant VARCHAR, resource VARCHAR, isolation VARCHAR, from_ts TIMESTAMP, to_ts TIMESTAMP
);
