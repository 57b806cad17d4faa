-- Roll-ups: 10 s -> 1 min -> 1 h -> 1 day. The three differ in nothing but table and width.

-- name: newest
SELECT max(newest) FROM segments;

-- name: watermark
SELECT max("at") FROM watermark;

-- name: clear_watermark
DELETE FROM watermark;

-- name: set_watermark
INSERT INTO watermark VALUES ($at);

-- name: dirty_windows
SELECT DISTINCT ts FROM dirty WHERE grain = $grain AND ts <= $until ORDER BY ts;

-- name: mark_windows
INSERT INTO dirty
SELECT $grain, unnest($windows::TIMESTAMP[])
EXCEPT
SELECT grain, ts FROM dirty;

-- name: clear_dirty
DELETE FROM dirty WHERE grain = $grain AND ts IN (SELECT unnest($windows::TIMESTAMP[]));

-- name: oldest_dirty
SELECT min(ts) FROM dirty WHERE grain = $grain;

-- name: retained
SELECT grain, max(until) FROM retained GROUP BY grain;

-- name: clear_retained
DELETE FROM retained WHERE grain = $grain;

-- name: set_retained
INSERT INTO retained VALUES ($grain, $until);

-- name: rows_10s
SELECT count(*) FROM usage_10s WHERE ts >= $low AND ts < $high;

-- name: rows_1m
SELECT count(*) FROM usage_1m WHERE ts >= $low AND ts < $high;

-- name: rows_1h
SELECT count(*) FROM usage_1h WHERE ts >= $low AND ts < $high;

-- Tenants are summed in parts: the sums of a minute of 100,000 of them take 150 MiB.
-- name: roll_up_1m
INSERT INTO hot_1m BY NAME
WITH found AS NOT MATERIALIZED (
    SELECT
        date_trunc('minute', ts) AS bucket,
        greatest(60, window_s)::INTEGER AS width,
        *
    FROM usage_10s
    WHERE
        ts >= $low AND ts < $high
        AND date_trunc('minute', ts) IN (SELECT unnest($windows::TIMESTAMP[]))
        AND hash(tenant) % $parts::UBIGINT = $part::UBIGINT
),
sums AS MATERIALIZED (
    SELECT
        bucket AS ts, width AS window_s, tenant, resource, family, bounds,
        sum(COLUMNS('^(arrived|count|errors|volume|throttled|.*_us|b[0-9]{2})$'))::BIGINT AS '\1',
        sum(waiting * found.window_s) AS waited,
        list({'at': found.ts, 'seconds': found.window_s}) FILTER (WHERE waiting IS NOT NULL)
            AS windows
    FROM found
    GROUP BY bucket, width, tenant, resource, family, bounds
),
lengths AS (
    SELECT
        ts, window_s, tenant, resource, family,
        list_sum(list_transform(
            list_distinct(flatten(list(windows))), lambda one: one.seconds
        )) AS "length"
    FROM sums
    WHERE windows IS NOT NULL
    GROUP BY ts, window_s, tenant, resource, family
)
-- Rows of one window add up; windows are averaged, weighted by their length: rows of other bounds
-- hold a part of the mean each.
SELECT sums.* EXCLUDE (waited, windows), waited / "length" AS waiting
FROM sums
LEFT JOIN lengths USING (ts, window_s, tenant, resource, family);

-- name: clear_1m
DELETE FROM hot_1m
WHERE ts IN (SELECT unnest($windows::TIMESTAMP[]))
AND NOT EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '10s' AND k.tenant = hot_1m.tenant AND hot_1m.ts < k.until
);

-- name: consume_10s
-- Only for windows whose older rows are gone: what was added to them must not be added again.
DELETE FROM hot_10s
WHERE date_trunc('minute', ts) IN (SELECT unnest($windows::TIMESTAMP[]));

-- name: roll_up_1h
INSERT INTO hot_1h BY NAME
WITH found AS NOT MATERIALIZED (
    SELECT
        date_trunc('hour', ts) AS bucket,
        greatest(3600, window_s)::INTEGER AS width,
        *
    FROM usage_1m
    WHERE
        ts >= $low AND ts < $high
        AND date_trunc('hour', ts) IN (SELECT unnest($windows::TIMESTAMP[]))
        AND hash(tenant) % $parts::UBIGINT = $part::UBIGINT
),
sums AS MATERIALIZED (
    SELECT
        bucket AS ts, width AS window_s, tenant, resource, family, bounds,
        sum(COLUMNS('^(arrived|count|errors|volume|throttled|.*_us|b[0-9]{2})$'))::BIGINT AS '\1',
        sum(waiting * found.window_s) AS waited,
        list({'at': found.ts, 'seconds': found.window_s}) FILTER (WHERE waiting IS NOT NULL)
            AS windows
    FROM found
    GROUP BY bucket, width, tenant, resource, family, bounds
),
lengths AS (
    SELECT
        ts, window_s, tenant, resource, family,
        list_sum(list_transform(
            list_distinct(flatten(list(windows))), lambda one: one.seconds
        )) AS "length"
    FROM sums
    WHERE windows IS NOT NULL
    GROUP BY ts, window_s, tenant, resource, family
)
-- Rows of one window add up; windows are averaged, weighted by their length: rows of other bounds
-- hold a part of the mean each.
SELECT sums.* EXCLUDE (waited, windows), waited / "length" AS waiting
FROM sums
LEFT JOIN lengths USING (ts, window_s, tenant, resource, family);

-- name: clear_1h
DELETE FROM hot_1h
WHERE ts IN (SELECT unnest($windows::TIMESTAMP[]))
AND NOT EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '1m' AND k.tenant = hot_1h.tenant AND hot_1h.ts < k.until
);

-- name: consume_1m
-- Only for windows whose older rows are gone: what was added to them must not be added again.
DELETE FROM hot_1m
WHERE date_trunc('hour', ts) IN (SELECT unnest($windows::TIMESTAMP[]));

-- name: roll_up_1d
INSERT INTO usage_1d BY NAME
WITH found AS NOT MATERIALIZED (
    SELECT
        date_trunc('day', ts) AS bucket,
        greatest(86400, window_s)::INTEGER AS width,
        *
    FROM usage_1h
    WHERE
        ts >= $low AND ts < $high
        AND date_trunc('day', ts) IN (SELECT unnest($windows::TIMESTAMP[]))
        AND hash(tenant) % $parts::UBIGINT = $part::UBIGINT
),
sums AS MATERIALIZED (
    SELECT
        bucket AS ts, width AS window_s, tenant, resource, family, bounds,
        sum(COLUMNS('^(arrived|count|errors|volume|throttled|.*_us|b[0-9]{2})$'))::BIGINT AS '\1',
        sum(waiting * found.window_s) AS waited,
        list({'at': found.ts, 'seconds': found.window_s}) FILTER (WHERE waiting IS NOT NULL)
            AS windows
    FROM found
    GROUP BY bucket, width, tenant, resource, family, bounds
),
lengths AS (
    SELECT
        ts, window_s, tenant, resource, family,
        list_sum(list_transform(
            list_distinct(flatten(list(windows))), lambda one: one.seconds
        )) AS "length"
    FROM sums
    WHERE windows IS NOT NULL
    GROUP BY ts, window_s, tenant, resource, family
)
-- Rows of one window add up; windows are averaged, weighted by their length: rows of other bounds
-- hold a part of the mean each.
SELECT sums.* EXCLUDE (waited, windows), waited / "length" AS waiting
FROM sums
LEFT JOIN lengths USING (ts, window_s, tenant, resource, family);

-- name: clear_1d
DELETE FROM usage_1d
WHERE ts IN (SELECT unnest($windows::TIMESTAMP[]))
AND NOT EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '1h' AND k.tenant = usage_1d.tenant AND usage_1d.ts < k.until
);

-- name: clear_peaks
DELETE FROM peaks_1d WHERE ts IN (SELECT unnest($windows::TIMESTAMP[]));

-- name: find_peaks
INSERT INTO peaks_1d
SELECT date_trunc('day', ts) AS ts, resource, max(busy)::BIGINT AS busy_us
FROM (
    SELECT ts, resource, sum(greatest(coalesce(busy_us, 0), 0)) AS busy
    FROM usage_1h
    WHERE
        ts >= $low AND ts < $high
        AND date_trunc('day', ts) IN (SELECT unnest($windows::TIMESTAMP[]))
    GROUP BY ts, resource
)
GROUP BY ALL;

-- name: retire_peaks
DELETE FROM peaks_1d WHERE ts < $until;

-- name: consume_1h
-- Only for windows whose older rows are gone: what was added to them must not be added again.
DELETE FROM hot_1h
WHERE date_trunc('day', ts) IN (SELECT unnest($windows::TIMESTAMP[]));

-- name: retire_10s
DELETE FROM hot_10s WHERE ts < $until;

-- name: retire_1m
DELETE FROM hot_1m WHERE ts < $until;

-- name: retire_1h
DELETE FROM hot_1h WHERE ts < $until;

-- name: retire_1d
DELETE FROM usage_1d WHERE ts < $until;

-- name: consume_shorter_10s
-- Late rows of tenants whose older rows are gone: they were added, and must not be again.
DELETE FROM hot_10s
WHERE date_trunc('minute', ts) IN (SELECT unnest($windows::TIMESTAMP[]))
AND EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '10s' AND k.tenant = hot_10s.tenant AND hot_10s.ts < k.until
);

-- name: retire_tenants_10s
DELETE FROM hot_10s WHERE ts < $until AND tenant IN (SELECT unnest($tenants::VARCHAR[]));

-- name: consume_shorter_1m
-- Late rows of tenants whose older rows are gone: they were added, and must not be again.
DELETE FROM hot_1m
WHERE date_trunc('hour', ts) IN (SELECT unnest($windows::TIMESTAMP[]))
AND EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '1m' AND k.tenant = hot_1m.tenant AND hot_1m.ts < k.until
);

-- name: retire_tenants_1m
DELETE FROM hot_1m WHERE ts < $until AND tenant IN (SELECT unnest($tenants::VARCHAR[]));

-- name: consume_shorter_1h
-- Late rows of tenants whose older rows are gone: they were added, and must not be again.
DELETE FROM hot_1h
WHERE date_trunc('day', ts) IN (SELECT unnest($windows::TIMESTAMP[]))
AND EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '1h' AND k.tenant = hot_1h.tenant AND hot_1h.ts < k.until
);

-- name: retire_tenants_1h
DELETE FROM hot_1h WHERE ts < $until AND tenant IN (SELECT unnest($tenants::VARCHAR[]));

-- name: kept_shorter
SELECT tenant, max(until) FROM kept_shorter WHERE grain = $grain GROUP BY tenant;

-- name: forget_kept_shorter
DELETE FROM kept_shorter
WHERE grain = $grain AND tenant IN (SELECT unnest($tenants::VARCHAR[]));

-- name: add_kept_shorter
INSERT INTO kept_shorter SELECT $grain, unnest($tenants::VARCHAR[]), $until;

-- name: tenants_of_plan
SELECT id FROM tenants WHERE plan = $plan;
