-- Questions about usage. A range is given as the boundaries of `usage_spans`.

-- name: known_until
-- Up to where each grain was given up, and up to where data is complete.
SELECT grain, max(until) FROM retained GROUP BY grain
UNION ALL
SELECT 'watermark', max("at") FROM watermark;

-- name: usage_series
-- Sums per step over all tenants, still apart by latency bounds. A window longer than the step is
-- its own step.
-- `waited`: how many rows say what waited, so that nobody looks for it where none does.
SELECT
    resource, family, time_bucket(to_seconds($step), ts) AS ts, bounds,
    greatest($step, max(window_s)) AS width, count(waiting) AS waited,
    sum(COLUMNS('^(arrived|count|errors|busy_us|throttled|b[0-9]{2})$'))::BIGINT AS '\1'
FROM usage_spans($since, $days, $hours, $minutes, $until)
WHERE
    ($resource IS NULL OR resource = $resource)
    AND ($family IS NULL OR family = $family)
GROUP BY ALL
ORDER BY resource, family, ts;

-- name: usage_rows
-- The rows of one tenant, with the step each lies in: what `usage_series` would sum.
SELECT
    resource, family, time_bucket(to_seconds($step), ts) AS ts, bounds, ts AS "window", window_s,
    greatest($step, window_s) AS width, waiting, waiting IS NOT NULL AS waited,
    COLUMNS('^(arrived|count|errors|busy_us|throttled|b[0-9]{2})$')
FROM usage_spans($since, $days, $hours, $minutes, $until)
WHERE
    tenant = $tenant
    AND ($resource IS NULL OR resource = $resource)
    AND ($family IS NULL OR family = $family);

-- name: usage_waiting
-- Tenants of a window add up; windows of a step are averaged.
WITH windows AS (
    SELECT resource, family, ts, window_s, sum(waiting) AS waiting
    FROM usage_spans($since, $days, $hours, $minutes, $until)
    WHERE
        ($resource IS NULL OR resource = $resource)
        AND ($family IS NULL OR family = $family)
        AND waiting IS NOT NULL
    GROUP BY ALL
)
SELECT
    resource, family, time_bucket(to_seconds($step), ts) AS ts,
    sum(waiting * window_s) / sum(window_s) AS waiting
FROM windows
GROUP BY ALL;

-- name: expected_sums
SELECT resource, family, sum(busy) AS expected
FROM expected
WHERE
    ($resource IS NULL OR resource = $resource)
    AND ($tenant IS NULL OR tenant = $tenant)
GROUP BY ALL;

-- name: tenant_usage
-- Per tenant, resource and family over a span of $seconds.
WITH sums AS (
    SELECT
        tenant, resource, family,
        sum("count") / $seconds AS requests_per_s,
        sum("count")::DOUBLE AS finished,
        sum(errors)::DOUBLE AS errors,
        offered(sum(busy_us), sum(arrived), sum("count")) / $seconds AS load
    FROM usage_spans($since, $days, $hours, $minutes, $until)
    GROUP BY tenant, resource, family
)
SELECT sums.*, expected.busy AS expected
FROM sums
LEFT JOIN expected USING (tenant, resource, family);

-- name: tenant_buckets
-- Latency of tenants, by family and bounds.
SELECT
    tenant, family, bounds,
    sum(COLUMNS('^(b[0-9]{2})$'))::BIGINT AS '\1'
FROM usage_spans($since, $days, $hours, $minutes, $until)
WHERE bounds IS NOT NULL
GROUP BY tenant, family, bounds;

-- name: tenant_bucket_rows
SELECT tenant, family, bounds, COLUMNS('^b[0-9]{2}$')
FROM usage_spans($since, $days, $hours, $minutes, $until)
WHERE bounds IS NOT NULL;

-- name: tenant_loads
-- Load offered per step of the tenants that went furthest above what is expected of them, worst
-- first, and `of` how many tenants there are. A row longer than a step (history is often hourly)
-- stands for its whole window of `width` seconds.
WITH expectations AS (
    SELECT tenant, sum(busy) AS expected
    FROM expected
    WHERE $resource IS NULL OR resource = $resource
    GROUP BY tenant
    HAVING sum(busy) > 0
), loads AS MATERIALIZED (
    SELECT
        tenant, time_bucket(to_seconds($step), ts) AS ts,
        greatest($step, max(window_s)) AS width,
        offered(sum(busy_us), sum(arrived), sum("count")) / greatest($step, max(window_s)) AS load
    FROM usage_spans($since, $days, $hours, $minutes, $until)
    WHERE $resource IS NULL OR resource = $resource
    GROUP BY ALL
), ranked AS (
    SELECT tenant, any_value(expected) AS expected, max(load - expected) AS excess
    FROM loads
    INNER JOIN expectations USING (tenant)
    GROUP BY tenant
), shown AS (
    SELECT tenant, expected, excess, count(*) OVER () AS "of"
    FROM ranked
    ORDER BY excess DESC, tenant
    LIMIT $limit
)
SELECT s.tenant, l.ts, l.width, l.load, s.expected, s.excess, s."of"
FROM loads AS l
INNER JOIN shown AS s USING (tenant)
ORDER BY s.excess DESC, s.tenant;

-- name: shares
SELECT
    tenant,
    offered(sum(busy_us), sum(arrived), sum("count")) / $seconds AS load
FROM usage_spans($since, $days, $hours, $minutes, $until)
WHERE resource = $resource
GROUP BY tenant
ORDER BY load DESC, tenant;

-- name: top_shares
-- The largest of every resource at once: one pass instead of one a resource.
WITH loads AS (
    SELECT
        resource, tenant,
        offered(sum(busy_us), sum(arrived), sum("count")) / $seconds AS load
    FROM usage_spans($since, $days, $hours, $minutes, $until)
    GROUP BY resource, tenant
)
SELECT
    resource, tenant, load,
    load / nullif(sum(load) OVER (PARTITION BY resource), 0) AS share
FROM loads
QUALIFY row_number() OVER (PARTITION BY resource ORDER BY load DESC NULLS LAST, tenant) <= $top
ORDER BY resource, load DESC, tenant;

-- name: utilisation
SELECT
    u.resource, time_bucket(to_seconds($step), u.ts) AS ts,
    sum(u.busy_us) / 1e6 / greatest($step, max(u.window_s)) AS busy,
    any_value(r.capacity) AS capacity,
    sum(u.busy_us) / 1e6 / greatest($step, max(u.window_s))
    / nullif(any_value(r.capacity), 0) AS utilisation
FROM usage_spans($since, $days, $hours, $minutes, $until) AS u
LEFT JOIN resources AS r ON r.id = u.resource
WHERE $resource IS NULL OR u.resource = $resource
GROUP BY ALL
ORDER BY u.resource, ts;

-- name: expected_learned_at
SELECT max(learned_at) FROM expected;

-- name: forget_expected
DELETE FROM expected;

-- name: learn_expected
-- The median minute: what a surge of less than half the span cannot move. Where earlier weeks are
-- known, weeks / (weeks + 1) of the way toward them, in logarithms (as `detect.season`).
INSERT INTO expected
WITH minutes AS (
    SELECT
        tenant, resource, family, ts,
        offered(sum(busy_us), sum(arrived), sum("count")) / max(window_s) AS load
    FROM usage_1m
    WHERE ts >= $since AND ts < $until
    GROUP BY ALL
),
recent AS (
    SELECT tenant, resource, family, median(load) AS load
    FROM minutes
    GROUP BY tenant, resource, family
),
habits AS (
    SELECT tenant, resource, family, load, weeks / (weeks + 1.0) AS pull
    FROM baselines
    WHERE how = $how AND weeks >= $least
)
SELECT
    tenant, resource, family,
    CASE
        WHEN habits.load IS NULL THEN recent.load
        WHEN recent.load > 0
            THEN exp((1 - pull) * ln(recent.load) + pull * habits.load)
        ELSE exp(habits.load)
    END,
    $until
FROM recent
FULL JOIN habits USING (tenant, resource, family);
