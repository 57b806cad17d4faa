-- How full resources are: hourly load over a week (minutes while there are no hours yet).

-- name: density_hours
SELECT count(DISTINCT ts) FROM usage_1h WHERE ts >= $start AND ts < $end;

-- name: density_minutes
SELECT count(DISTINCT ts) FROM usage_1m WHERE ts >= $start AND ts < $end;

-- name: density_tenants
-- Per resource and tenant: all its work, and its nth busiest window (0 with fewer windows).
WITH windows AS (
    SELECT resource, tenant, ts, busy_us, "count" FROM usage_1h
    WHERE $hourly AND ts >= $start AND ts < $end
    UNION ALL
    SELECT resource, tenant, ts, busy_us, "count" FROM usage_1m
    WHERE NOT $hourly AND ts >= $start AND ts < $end
), loads AS (
    SELECT
        resource, tenant, ts, sum(greatest(busy_us, 0))::DOUBLE AS busy,
        sum("count")::DOUBLE AS operations
    FROM windows
    GROUP BY ALL
)
SELECT
    resource, tenant,
    coalesce(sum(busy), 0) / 1e6 AS busy_s,
    coalesce(sum(operations), 0) AS operations,
    coalesce(list_extract(max(busy, $nth), $nth), 0) / 1e6 / $window_s AS p95
FROM loads
GROUP BY ALL
ORDER BY resource, busy_s DESC, tenant;

-- name: density_totals
-- Load of each resource in each window, in seconds of the resource per second.
WITH windows AS (
    SELECT resource, ts, busy_us FROM usage_1h WHERE $hourly AND ts >= $start AND ts < $end
    UNION ALL
    SELECT resource, ts, busy_us FROM usage_1m WHERE NOT $hourly AND ts >= $start AND ts < $end
)
SELECT resource, ts, coalesce(sum(greatest(busy_us, 0)), 0)::DOUBLE / 1e6 / $window_s AS busy
FROM windows
GROUP BY ALL
ORDER BY resource, ts;

-- name: density_placed
SELECT resource, tenant FROM placements
WHERE coalesce(from_ts, $now) <= $now AND (to_ts IS NULL OR to_ts > $now)
GROUP BY ALL;

-- name: density_series
-- One tenant's load on one resource, window by window.
SELECT ts, coalesce(sum(greatest(busy_us, 0)), 0)::DOUBLE / 1e6 / 3600 AS busy
FROM usage_1h
WHERE resource = $resource AND tenant = $tenant AND ts >= $start AND ts < $end
GROUP BY ts
ORDER BY ts;

-- name: density_measures
-- Of each resource and hour: operations in flight, operations and volume a second, bytes held; NULL
-- where nobody reports them. The volume of `storage:` resources is bytes held, by them and by the
-- resource that is their parent.
WITH hours AS (
    SELECT
        resource, ts, starts_with(resource, 'storage:') AS holds, sum(waiting) AS in_flight,
        sum("count")::DOUBLE / 3600 AS operations, sum(volume)::DOUBLE AS volume
    FROM usage_1h
    WHERE ts >= $start AND ts < $end
    GROUP BY ALL
), parents AS (
    SELECT id, any_value(parent) AS parent
    FROM resources
    WHERE parent <> '' AND parent <> id
    GROUP BY id
), parts AS (
    SELECT
        resource, ts, in_flight, operations, CASE WHEN NOT holds THEN volume / 3600 END AS volume,
        CASE WHEN holds THEN volume END AS storage
    FROM hours
    UNION ALL
    SELECT p.parent, h.ts, NULL, NULL, NULL, h.volume
    FROM hours AS h
    INNER JOIN parents AS p ON p.id = h.resource
    WHERE h.holds
)
SELECT
    resource, ts, sum(in_flight) AS in_flight, sum(operations) AS operations,
    sum(volume) AS volume, sum(storage) AS storage
FROM parts
GROUP BY ALL
ORDER BY resource, ts;

-- name: density_reserved
-- What contracts grant of each resource.
SELECT p.resource, sum(t."floor") AS reserved
FROM placements AS p
INNER JOIN tenants AS t ON t.id = p.tenant
WHERE t."floor" > 0 AND coalesce(p.from_ts, $now) <= $now AND (p.to_ts IS NULL OR p.to_ts > $now)
GROUP BY p.resource;

-- name: density_hours_of_week
-- Of the largest tenants of a resource: mean load at each hour of the week.
WITH mine AS (
    SELECT
        tenant, (extract('isodow' FROM ts) - 1) * 24 + extract('hour' FROM ts) AS hour,
        sum(greatest(busy_us, 0))::DOUBLE / 3.6e9 AS busy
    FROM usage_1h
    WHERE resource = $resource AND ts >= $start AND ts < $end
    GROUP BY ALL
), largest AS (
    SELECT tenant, sum(busy) AS busy FROM mine GROUP BY tenant
    ORDER BY busy DESC, tenant
    LIMIT $limit
)
SELECT m.tenant, m.hour::INTEGER AS hour, m.busy / $weeks AS busy
FROM mine AS m
SEMI JOIN largest USING (tenant)
ORDER BY m.tenant, m.hour;
