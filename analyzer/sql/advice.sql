-- What advice stands on: hourly loads of every tenant, and who is tied down.

-- name: advice_series
SELECT resource, tenant, ts, coalesce(sum(greatest(busy_us, 0)), 0)::DOUBLE / 3.6e9 AS busy
FROM usage_1h
WHERE ts >= $start AND ts < $end
GROUP BY ALL
ORDER BY resource, tenant, ts;

-- name: advice_pinned
-- Tied by regulation or region, or living alone on purpose.
SELECT id FROM tenants
WHERE deleted_at IS NULL AND (len(pins) > 0 OR isolation = 'database')
GROUP BY id;

-- name: advice_tenant
SELECT
    max(t.isolation) AS isolation, max(coalesce(len(t.pins), 0)) AS pins,
    coalesce(
        (SELECT max(p.from_ts) FROM placements AS p WHERE p.tenant = $tenant), max(t.created_at)
    ) AS since
FROM tenants AS t
WHERE t.id = $tenant;

-- name: advice_tenant_hours
-- Each hour of each resource the tenant used: its own load, and everybody's.
WITH mine AS (
    SELECT DISTINCT resource FROM usage_1h
    WHERE tenant = $tenant AND ts >= $start AND ts < $end
)
SELECT
    resource, ts,
    coalesce(sum(greatest(busy_us, 0)) FILTER (tenant = $tenant), 0)::DOUBLE / 3.6e9 AS own,
    coalesce(sum(greatest(busy_us, 0)), 0)::DOUBLE / 3.6e9 AS everyone
FROM usage_1h
SEMI JOIN mine USING (resource)
WHERE ts >= $start AND ts < $end
GROUP BY ALL
ORDER BY resource, ts;

-- name: advice_isolated
-- Who has a tier of its own, is not tied to it, and has not moved since.
SELECT t.id FROM tenants AS t
LEFT JOIN placements AS p ON p.tenant = t.id
WHERE
    t.deleted_at IS NULL AND t.isolation IN ('schema', 'database')
    AND coalesce(len(t.pins), 0) = 0
GROUP BY t.id
HAVING coalesce(max(p.from_ts), max(t.created_at), $before) <= $before
ORDER BY t.id;

-- name: advice_alone
-- Resources somebody has to itself, and who: no pools.
SELECT resource, tenant FROM placements
WHERE isolation = 'database' AND to_ts IS NULL
GROUP BY ALL;
