-- What a week's usage says of cost: integers only, so that sums are exact.

-- name: cost_summed_days
-- Days whose sums say all that is asked, with the fullest hour of each resource.
SELECT p.ts, p.resource, p.busy_us, r.capacity
FROM peaks_1d AS p
LEFT JOIN resources AS r ON r.id = p.resource AND r.capacity > 0
WHERE p.ts >= $low AND p.ts <= $high;

-- name: cost_reserved
-- Resources on which something may be reserved, hour by hour.
SELECT resource FROM placements
WHERE isolation = 'database' OR tenant IN (SELECT id FROM tenants WHERE "floor" > 0);

-- name: cost_day_rows
SELECT resource, tenant, busy_us, "count", volume
FROM usage_1d
WHERE ts >= $low AND ts < $high;

-- name: cost_edge_peaks
-- The fullest hour of each resource before and after those days.
SELECT h.resource, max(h.busy) AS busy_us, max(r.capacity) AS capacity
FROM (
    SELECT resource, ts, sum(greatest(busy_us, 0)) AS busy
    FROM usage_1h
    WHERE (ts >= $start AND ts < $first) OR (ts >= $after AND ts < $end)
    GROUP BY resource, ts
) AS h
LEFT JOIN resources AS r ON r.id = h.resource AND r.capacity > 0
GROUP BY h.resource;

-- name: cost_edge_sums
SELECT
    resource, tenant,
    sum(greatest(busy_us, 0))::DECIMAL(38, 0) AS busy_us,
    sum(greatest("count", 0))::DECIMAL(38, 0) AS "count",
    sum(greatest(volume, 0))::DECIMAL(38, 0) AS volume
FROM usage_1h
WHERE (ts >= $start AND ts < $first) OR (ts >= $after AND ts < $end)
GROUP BY resource, tenant;

-- name: cost_use
-- Of some resources (null: of all), hour by hour. Per resource and tenant: demand = max(reserved,
-- used) an hour, in microseconds of the resource. An hour with more demand than capacity is scaled
-- down to it: nobody pays for seconds that the resource did not have. A tenant with a database of
-- its own, or a contracted floor, reserves it.
-- Only hours with more demand than capacity are looked at tenant by tenant; all others are summed.
WITH measured AS NOT MATERIALIZED (
    SELECT
        resource, coalesce(nullif(tenant, ''), $unknown) AS tenant, ts,
        greatest(coalesce(busy_us, 0), 0) AS busy,
        greatest(coalesce("count", 0), 0) AS operations,
        greatest(coalesce(volume, 0), 0) AS volume
    FROM usage_1h
    WHERE
        ts >= $start AND ts < $end
        AND ($resources::VARCHAR[] IS NULL OR list_contains($resources::VARCHAR[], resource))
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
), used_of_promised AS (
    SELECT resource, tenant, ts, sum(busy) AS busy
    FROM measured
    SEMI JOIN promised USING (resource, tenant)
    GROUP BY ALL
), unused AS (
    SELECT p.resource, p.tenant, p.ts, greatest(p.reserved - coalesce(u.busy, 0), 0) AS busy
    FROM promised AS p
    LEFT JOIN used_of_promised AS u USING (resource, tenant, ts)
), loads AS (
    SELECT resource, ts, sum(busy) AS busy FROM measured GROUP BY ALL
    UNION ALL
    SELECT resource, ts, busy FROM unused
), full_hours AS (
    SELECT l.resource, l.ts, sum(l.busy) AS whole, any_value(c.microseconds) AS capacity
    FROM loads AS l
    INNER JOIN capacities AS c USING (resource)
    GROUP BY ALL
    HAVING sum(l.busy) > any_value(c.microseconds)
), crowded AS (
    SELECT resource, tenant, ts, sum(busy) AS busy, sum(own) AS own
    FROM (
        SELECT resource, tenant, ts, busy, 0 AS own
        FROM measured SEMI JOIN full_hours USING (resource, ts)
        UNION ALL
        SELECT resource, tenant, ts, busy, busy
        FROM unused SEMI JOIN full_hours USING (resource, ts)
    )
    GROUP BY ALL
), parts AS (
    SELECT
        m.resource, m.tenant, sum(CASE WHEN f.ts IS NULL THEN m.busy ELSE 0 END) AS demand,
        0 AS own, sum(m.busy) AS busy, sum(m.operations) AS operations, sum(m.volume) AS volume
    FROM measured AS m
    LEFT JOIN full_hours AS f USING (resource, ts)
    GROUP BY m.resource, m.tenant
    UNION ALL
    SELECT resource, tenant, busy, busy, 0, 0, 0
    FROM unused ANTI JOIN full_hours USING (resource, ts)
    UNION ALL
    SELECT
        resource, tenant, c.busy * f.capacity // f.whole, c.own * f.capacity // f.whole, 0, 0, 0
    FROM crowded AS c
    INNER JOIN full_hours AS f USING (resource, ts)
)
SELECT
    resource, tenant,
    sum(demand)::DECIMAL(38, 0) AS demand,
    sum(own)::DECIMAL(38, 0) AS own,
    sum(busy)::DECIMAL(38, 0) AS busy,
    sum(operations)::DECIMAL(38, 0) AS "count",
    sum(volume)::DECIMAL(38, 0) AS volume
FROM parts
GROUP BY resource, tenant
ORDER BY resource, tenant;

-- name: cost_resources
SELECT id, max(kind) AS kind, max(capacity) AS capacity FROM resources GROUP BY id;

-- name: cost_tenants
SELECT
    id, coalesce(max(name), '') AS name, coalesce(max(plan), '') AS plan,
    max(price_minor) AS price_minor, min(created_at) AS created_at,
    CASE WHEN count(*) = count(deleted_at) THEN max(deleted_at) END AS deleted_at
FROM tenants
GROUP BY id;

-- name: cost_first_use
-- When each tenant was first heard of in an interval.
SELECT tenant, min(ts) AS first FROM usage_1h
WHERE ts >= $start AND ts < $end
GROUP BY tenant;

-- name: cost_presence
-- Seconds each tenant was placed on each resource; a placement undone at once says nothing.
SELECT
    resource, tenant,
    sum(date_diff(
        'second',
        greatest(coalesce(from_ts, $start), $start), least(coalesce(to_ts, $end), $end)
    ))::BIGINT AS seconds
FROM placements
WHERE coalesce(from_ts, $start) < $end AND coalesce(to_ts, $end) > $start
GROUP BY ALL
HAVING seconds > 0;

-- name: cost_trace
-- Changes whenever usage of the interval changes.
SELECT
    count(DISTINCT ts) AS hours,
    count(*)::VARCHAR || '.' || coalesce(sum(busy_us), 0)::VARCHAR || '.'
    || coalesce(sum("count"), 0)::VARCHAR || '.' || coalesce(sum(volume), 0)::VARCHAR AS trace
FROM usage_1h
WHERE ts >= $start AND ts < $end;

-- name: cost_operations
SELECT family, tenant, sum("count")::HUGEINT AS operations
FROM usage_1h
WHERE ts >= $start AND ts < $end AND "count" > 0
GROUP BY ALL;

-- name: cost_days
SELECT DISTINCT ts::DATE AS day FROM usage_1h ORDER BY day;

-- name: cost_watermark
SELECT max("at") FROM watermark;
