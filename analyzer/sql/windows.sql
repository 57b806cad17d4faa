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

-- name: windows_resources
SELECT id, kind, capacity FROM resources;

-- name: windows_bounds
SELECT id, bounds FROM latency_bounds;
