-- What a week's usage says of cost: integers only, so that sums are exact.

-- name: cost_use
-- Per resource and tenant: demand = max(reserved, used) an hour, in microseconds of the resource.
-- An hour with more demand than capacity is scaled down to it: nobody pays for seconds that the
-- resource did not have. A tenant with a database of its own, or a contracted floor, reserves it.
WITH measured AS (
    SELECT
        resource, coalesce(nullif(tenant, ''), $unknown) AS tenant, ts,
        greatest(sum(busy_us), 0) AS busy,
        greatest(sum("count"), 0) AS operations,
        greatest(sum(volume), 0) AS volume
    FROM usage_1h
    WHERE ts >= $start AND ts < $end
    GROUP BY ALL
), hours AS (
    SELECT unnest(generate_series(date_trunc('hour', $start), $end, INTERVAL 1 HOUR)) AS ts
), capacities AS (
    SELECT id AS resource, round(max(capacity) * 3600000000)::HUGEINT AS microseconds
    FROM resources
    WHERE capacity > 0 AND isfinite(capacity)
    GROUP BY ALL
), promised AS (
    SELECT
        p.resource, p.tenant, h.ts,
        max(CASE
            WHEN p.isolation = 'database' THEN c.microseconds
            ELSE round(t."floor" * 3600000000)::HUGEINT
        END) AS reserved
    FROM placements AS p
    INNER JOIN tenants AS t ON t.id = p.tenant
    INNER JOIN resources AS r ON r.id = p.resource AND r.kind = 'database'
    INNER JOIN capacities AS c ON c.resource = p.resource
    INNER JOIN hours AS h
        ON h.ts >= coalesce(p.from_ts, h.ts) AND (p.to_ts IS NULL OR h.ts < p.to_ts)
    WHERE (p.isolation = 'database' OR t."floor" > 0) AND h.ts >= $start AND h.ts < $end
    GROUP BY ALL
), hourly AS (
    SELECT
        resource, tenant, ts, busy, operations, volume,
        greatest(coalesce(busy, 0), coalesce(reserved, 0))::HUGEINT AS demand
    FROM measured
    FULL JOIN promised USING (resource, tenant, ts)
), totals AS (
    SELECT resource, ts, sum(demand) AS whole FROM hourly GROUP BY ALL
)
SELECT
    h.resource, h.tenant,
    sum(CASE
        WHEN c.microseconds IS NULL OR t.whole <= c.microseconds THEN h.demand
        ELSE h.demand * c.microseconds // t.whole
    END)::DECIMAL(38, 0) AS demand,
    coalesce(sum(h.busy), 0)::DECIMAL(38, 0) AS busy,
    coalesce(sum(h.operations), 0)::DECIMAL(38, 0) AS "count",
    coalesce(sum(h.volume), 0)::DECIMAL(38, 0) AS volume
FROM hourly AS h
INNER JOIN totals AS t ON t.resource = h.resource AND t.ts = h.ts
LEFT JOIN capacities AS c ON c.resource = h.resource
GROUP BY h.resource, h.tenant
ORDER BY h.resource, h.tenant;

-- name: cost_resources
SELECT id, max(kind) AS kind, max(capacity) AS capacity FROM resources GROUP BY id;

-- name: cost_tenants
SELECT
    id, coalesce(max(name), '') AS name, coalesce(max(plan), '') AS plan,
    max(price_minor) AS price_minor, min(created_at) AS created_at,
    CASE WHEN count(*) = count(deleted_at) THEN max(deleted_at) END AS deleted_at
FROM tenants
GROUP BY id;

-- name: cost_presence
-- Seconds each tenant was placed on each resource.
SELECT
    resource, tenant,
    sum(date_diff(
        'second',
        greatest(coalesce(from_ts, $start), $start), least(coalesce(to_ts, $end), $end)
    ))::BIGINT AS seconds
FROM placements
WHERE coalesce(from_ts, $start) < $end AND coalesce(to_ts, $end) > $start
GROUP BY ALL;

-- name: cost_trace
-- Changes whenever usage of the interval changes.
SELECT
    count(DISTINCT ts) AS hours,
    count(*)::VARCHAR || '.' || coalesce(sum(busy_us), 0)::VARCHAR || '.'
    || coalesce(sum("count"), 0)::VARCHAR || '.' || coalesce(sum(volume), 0)::VARCHAR AS trace
FROM usage_1h
WHERE ts >= $start AND ts < $end;

-- name: cost_days
SELECT DISTINCT ts::DATE AS day FROM usage_1h ORDER BY day;

-- name: cost_watermark
SELECT max("at") FROM watermark;
