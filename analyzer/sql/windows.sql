-- What the detector's rings read: usage of some windows, summed over families and resent rows.
-- One row per (window, resource, tenant, latency bounds); the log latency is made in NumPy.

-- name: recent_usage
SELECT
    ts, max(window_s) AS window_s, tenant, resource, coalesce(bounds, 0) AS bounds,
    sum(arrived) AS arrived, sum("count") AS count, sum(errors) AS errors,
    sum(busy_us) / 1e6 AS busy_s, sum(latency_sum_us) / 1e6 AS latency_sum_s,
    sum(b00) AS b00, sum(b01) AS b01, sum(b02) AS b02, sum(b03) AS b03, sum(b04) AS b04,
    sum(b05) AS b05, sum(b06) AS b06, sum(b07) AS b07, sum(b08) AS b08, sum(b09) AS b09,
    sum(b10) AS b10, sum(b11) AS b11, sum(b12) AS b12, sum(b13) AS b13, sum(b14) AS b14,
    sum(b15) AS b15, sum(b16) AS b16, sum(b17) AS b17, sum(b18) AS b18, sum(b19) AS b19,
    sum(b20) AS b20, sum(b21) AS b21, sum(b22) AS b22, sum(b23) AS b23, sum(b24) AS b24,
    sum(b25) AS b25, sum(b26) AS b26, sum(b27) AS b27, sum(b28) AS b28, sum(b29) AS b29,
    sum(b30) AS b30, sum(b31) AS b31,
    sum(waiting) AS waiting, sum(wait_us) / 1e6 AS wait_s, sum(volume) AS volume
FROM usage_10s
WHERE ts >= $since AND ts < $until
GROUP BY ts, tenant, resource, coalesce(bounds, 0)
ORDER BY resource, ts;

-- name: windows_resources
SELECT id, kind, capacity FROM resources;

-- name: windows_bounds
SELECT id, bounds FROM latency_bounds;
