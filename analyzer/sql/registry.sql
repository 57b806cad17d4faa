-- Tenants, resources and placements.

-- name: observe_tenants
INSERT INTO tenants (id, name, plan, isolation, pins, created_at)
SELECT DISTINCT b.tenant, b.tenant, '', 'shared', []::VARCHAR[], $since
FROM batch AS b
WHERE NOT EXISTS (SELECT 1 FROM tenants AS t WHERE t.id = b.tenant);

-- name: observe_resources
INSERT INTO resources (id, kind, created_at)
SELECT b.resource, min(b.kind), $since
FROM batch AS b
WHERE NOT EXISTS (SELECT 1 FROM resources AS r WHERE r.id = b.resource)
GROUP BY b.resource;

-- name: observe_placements
-- Only pairs never placed: usage that trickles in after a move must not undo the move.
INSERT INTO placements
SELECT DISTINCT b.tenant, b.resource, 'shared', $since, NULL::TIMESTAMP
FROM batch AS b
WHERE NOT EXISTS (
    SELECT 1 FROM placements AS p WHERE p.tenant = b.tenant AND p.resource = b.resource
);

-- name: delete_tenant_row
DELETE FROM tenants WHERE id = $id;

-- name: insert_tenant_row
INSERT INTO tenants VALUES (
    $id, $name, $plan, $price_minor, $isolation, $pins, $slo_ms, $floor, $created_at, $deleted_at
);

-- name: tenant
SELECT * FROM tenants WHERE id = $id;

-- name: tenants
SELECT * FROM tenants WHERE $deleted OR deleted_at IS NULL ORDER BY id;

-- name: delete_resource_row
DELETE FROM resources WHERE id = $id;

-- name: insert_resource_row
INSERT INTO resources VALUES ($id, $kind, $capacity, $parent, $created_at);

-- name: delete_resource_limits
DELETE FROM resource_limits WHERE resource = $resource;

-- name: insert_resource_limit
INSERT INTO resource_limits VALUES ($resource, $dimension, $most);

-- name: resource_limits
SELECT resource, dimension, max(most) AS most FROM resource_limits
GROUP BY ALL ORDER BY resource, dimension;

-- name: resource
SELECT * FROM resources WHERE id = $id;

-- name: resources
SELECT * FROM resources ORDER BY id;

-- name: open_placement
SELECT isolation FROM placements
WHERE tenant = $tenant AND resource = $resource AND to_ts IS NULL;

-- name: close_placement
UPDATE placements SET to_ts = $at
WHERE tenant = $tenant AND resource = $resource AND to_ts IS NULL;

-- name: add_placement
INSERT INTO placements VALUES ($tenant, $resource, $isolation, $at, NULL);

-- name: placements
SELECT tenant, resource, isolation, from_ts, to_ts
FROM placements
WHERE ($tenant IS NULL OR tenant = $tenant) AND ($resource IS NULL OR resource = $resource)
ORDER BY tenant, resource, from_ts;

-- name: current_placements
SELECT tenant, resource, isolation, from_ts, to_ts
FROM placements
WHERE to_ts IS NULL AND ($tenant IS NULL OR tenant = $tenant)
ORDER BY tenant, resource;
