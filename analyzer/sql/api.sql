-- Small questions of the API's own.

-- name: api_tenants_named
SELECT id, plan, slo_ms FROM tenants WHERE list_contains($names, id);

-- name: api_capacity
SELECT capacity FROM resources WHERE id = $resource;

-- name: policy_costs
-- Busy seconds an operation costs, per tenant and resource.
SELECT tenant, resource, sum(busy_us) / 1e6 / nullif(sum("count"), 0) AS cost
FROM usage_1m
WHERE ts >= $since
GROUP BY ALL;


-- name: status_counts
SELECT
    (SELECT count(*) FROM tenants WHERE deleted_at IS NULL) AS tenants,
    (SELECT count(*) FROM resources) AS resources;

-- name: status_deliveries
SELECT
    count(*) FILTER (WHERE state IN ('pending', 'in_flight')) AS pending,
    count(*) FILTER (WHERE state = 'dead') AS failed
FROM deliveries;

-- name: status_hottest
-- Busiest resource of the last two minutes, against its capacity where that is known.
SELECT resource, max(busy / capacity) AS utilisation
FROM (
    SELECT u.resource, u.ts, sum(u.busy_us) / 1e6 / max(u.window_s) AS busy
    FROM usage_10s AS u
    WHERE u.ts >= $since
    GROUP BY ALL
) AS windows
INNER JOIN resources AS r ON r.id = windows.resource
WHERE capacity > 0
GROUP BY resource
ORDER BY utilisation DESC NULLS LAST
LIMIT 1;

-- name: status_stale
-- Resources that had usage in the last day and none in the newest windows.
SELECT id FROM resources
WHERE
    id IN (SELECT DISTINCT resource FROM usage_1h WHERE ts >= $since - INTERVAL 1 DAY)
    AND id NOT IN (SELECT DISTINCT resource FROM usage_10s WHERE ts >= $since)
ORDER BY id;
