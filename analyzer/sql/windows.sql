-- What the detector's rings read: usage of some windows, summed over families and resent rows, one
-- row per (window, resource, tenant). Buckets become the logarithm of what a typical operation
-- took: each counts with its middle, of which $middles has a row per set of bounds (its id, then
-- one of each bucket). Rows without buckets say it by their mean, which overstates the typical, the
-- same way every window.
-- name: recent_usage
WITH middles AS (
    SELECT
        r[1]::INTEGER AS id,
        r[2] AS m00, r[3] AS m01, r[4] AS m02, r[5] AS m03,
        r[6] AS m04, r[7] AS m05, r[8] AS m06, r[9] AS m07,
        r[10] AS m08, r[11] AS m09, r[12] AS m10, r[13] AS m11,
        r[14] AS m12, r[15] AS m13, r[16] AS m14, r[17] AS m15,
        r[18] AS m16, r[19] AS m17, r[20] AS m18, r[21] AS m19,
        r[22] AS m20, r[23] AS m21, r[24] AS m22, r[25] AS m23,
        r[26] AS m24, r[27] AS m25, r[28] AS m26, r[29] AS m27,
        r[30] AS m28, r[31] AS m29, r[32] AS m30, r[33] AS m31
    FROM (SELECT unnest($middles) AS r)
),
summed AS (
    SELECT
        ts, max(window_s)::INTEGER AS window_s, tenant, resource,
        sum(arrived::DOUBLE) AS arrived, sum("count"::DOUBLE) AS count,
        sum(errors::DOUBLE) AS errors, sum(busy_us::DOUBLE) / 1e6 AS busy_s,
        sum(latency_sum_us::DOUBLE) / 1e6 AS latency_sum_s,
        sum((
            coalesce(b00, 0) + coalesce(b01, 0) + coalesce(b02, 0) + coalesce(b03, 0) +
            coalesce(b04, 0) + coalesce(b05, 0) + coalesce(b06, 0) + coalesce(b07, 0) +
            coalesce(b08, 0) + coalesce(b09, 0) + coalesce(b10, 0) + coalesce(b11, 0) +
            coalesce(b12, 0) + coalesce(b13, 0) + coalesce(b14, 0) + coalesce(b15, 0) +
            coalesce(b16, 0) + coalesce(b17, 0) + coalesce(b18, 0) + coalesce(b19, 0) +
            coalesce(b20, 0) + coalesce(b21, 0) + coalesce(b22, 0) + coalesce(b23, 0) +
            coalesce(b24, 0) + coalesce(b25, 0) + coalesce(b26, 0) + coalesce(b27, 0) +
            coalesce(b28, 0) + coalesce(b29, 0) + coalesce(b30, 0) + coalesce(b31, 0)
        )::DOUBLE) AS timed,
        sum((
            coalesce(b00, 0) * m00 + coalesce(b01, 0) * m01 + coalesce(b02, 0) * m02 +
            coalesce(b03, 0) * m03 + coalesce(b04, 0) * m04 + coalesce(b05, 0) * m05 +
            coalesce(b06, 0) * m06 + coalesce(b07, 0) * m07 + coalesce(b08, 0) * m08 +
            coalesce(b09, 0) * m09 + coalesce(b10, 0) * m10 + coalesce(b11, 0) * m11 +
            coalesce(b12, 0) * m12 + coalesce(b13, 0) * m13 + coalesce(b14, 0) * m14 +
            coalesce(b15, 0) * m15 + coalesce(b16, 0) * m16 + coalesce(b17, 0) * m17 +
            coalesce(b18, 0) * m18 + coalesce(b19, 0) * m19 + coalesce(b20, 0) * m20 +
            coalesce(b21, 0) * m21 + coalesce(b22, 0) * m22 + coalesce(b23, 0) * m23 +
            coalesce(b24, 0) * m24 + coalesce(b25, 0) * m25 + coalesce(b26, 0) * m26 +
            coalesce(b27, 0) * m27 + coalesce(b28, 0) * m28 + coalesce(b29, 0) * m29 +
            coalesce(b30, 0) * m30 + coalesce(b31, 0) * m31
        )::DOUBLE) AS logs,
        sum(wait_us::DOUBLE) / 1e6 AS wait_s,
        sum(volume::DOUBLE) AS volume, sum(blocked_us::DOUBLE) / 1e6 AS blocked_s,
        sum(blocking_us::DOUBLE) / 1e6 AS blocking_s
    FROM usage_10s
    LEFT JOIN middles ON middles.id = coalesce(bounds, 0)
    -- A row of a longer window reaches into the windows read again.
    WHERE ts >= $since - INTERVAL 10 MINUTE AND ts + to_seconds(window_s) > $since AND ts < $until
    GROUP BY ts, tenant, resource
)
SELECT
    ts, window_s, tenant, resource, arrived, count, errors, busy_s, wait_s, volume,
    blocked_s, blocking_s,
    CASE
        WHEN timed > 0 THEN logs / timed
        WHEN count > 0 THEN ln(greatest(latency_sum_s / count, 1e-6))
    END AS log_latency
FROM summed
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
