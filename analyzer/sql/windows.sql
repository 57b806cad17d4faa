-- What the detector's rings read: usage of some windows, summed over families and resent rows.
-- One row per (window, resource, tenant, latency bounds); the log latency is made in NumPy.

-- name: recent_usage
SELECT
    ts, max(window_s)::INTEGER AS window_s, tenant, resource, coalesce(bounds, 0) AS bounds,
    sum(arrived)::BIGINT AS arrived, sum("count")::BIGINT AS count, sum(errors)::BIGINT AS errors,
    sum(busy_us)::DOUBLE / 1e6 AS busy_s, sum(latency_sum_us)::DOUBLE / 1e6 AS latency_sum_s,
    sum(COLUMNS('^(b[0-9]{2})$'))::BIGINT AS '\1',
    sum(waiting) AS waiting, sum(wait_us)::DOUBLE / 1e6 AS wait_s, sum(volume)::BIGINT AS volume,
    sum(blocked_us)::DOUBLE / 1e6 AS blocked_s, sum(blocking_us)::DOUBLE / 1e6 AS blocking_s
FROM usage_10s
-- A row of a longer window reaches into the windows read again.
WHERE ts >= $since - INTERVAL 10 MINUTE AND ts + to_seconds(window_s) > $since AND ts < $until
GROUP BY ts, tenant, resource, coalesce(bounds, 0)
ORDER BY resource, ts;

-- name: oldest_recent
SELECT min(ts) FROM usage_10s WHERE ts >= $since - INTERVAL 10 MINUTE AND ts < $until;

-- name: windows_resources
SELECT id, kind, capacity FROM resources;

-- name: windows_plans
SELECT id, plan FROM tenants WHERE plan IS NOT NULL AND plan <> '';

-- name: windows_bounds
SELECT id, bounds FROM latency_bounds;

-- What a recording for `partywall backtest` is made of; times are starts of windows.
-- name: recorded_usage
SELECT
    u.ts, u.window_s, u.tenant, u.resource, u.family, u.arrived, u."count", u.errors,
    u.busy_us::DOUBLE / 1e6 AS busy_s, u.latency_sum_us::DOUBLE / 1e6 AS latency_sum_s,
    [
        u.b00, u.b01, u.b02, u.b03, u.b04, u.b05, u.b06, u.b07, u.b08, u.b09, u.b10,
        u.b11, u.b12, u.b13, u.b14, u.b15, u.b16, u.b17, u.b18, u.b19, u.b20, u.b21,
        u.b22, u.b23, u.b24, u.b25, u.b26, u.b27, u.b28, u.b29, u.b30, u.b31
    ] AS latency_buckets,
    l.bounds AS latency_bounds,
    u.waiting, u.wait_us::DOUBLE / 1e6 AS wait_s, u.volume,
    u.blocked_us::DOUBLE / 1e6 AS blocked_s, u.blocking_us::DOUBLE / 1e6 AS blocking_s
FROM usage_10s AS u
LEFT JOIN latency_bounds AS l ON l.id = coalesce(u.bounds, 0)
WHERE u.ts >= $since AND u.ts < $until
ORDER BY u.ts;

-- name: recorded_span
SELECT min(ts), max(ts) FROM usage_10s;

-- name: recorded_floors
SELECT id, "floor" FROM tenants WHERE "floor" IS NOT NULL ORDER BY id;
