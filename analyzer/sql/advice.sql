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
    (SELECT max(p.from_ts) FROM placements AS p WHERE p.tenant = $tenant) AS since
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
