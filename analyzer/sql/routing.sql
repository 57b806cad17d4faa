-- name: routing_rules
SELECT id, kind, place, source, created_at, body FROM rules
WHERE $kind IS NULL OR kind = $kind
ORDER BY kind, place, created_at, id

-- name: routing_rule
SELECT id, kind, place, source, created_at, body FROM rules WHERE id = $id

-- name: routing_rule_insert
INSERT INTO rules VALUES ($id, $kind, $place, $source, $now, $body)

-- name: routing_rule_delete
DELETE FROM rules WHERE id = $id

-- name: routing_rules_forget
-- What the configuration file said before.
DELETE FROM rules WHERE source = 'config'

-- name: routing_past
-- What each endpoint heard of one incident, and what was kept from it, in the lane's order.
SELECT d.endpoint, e.type, d.created_at, d.state <> 'skipped' OR coalesce(d.reason, '') = '' AS sent,
    coalesce(d.reason, '') AS reason
FROM deliveries d JOIN events e ON e.id = d.event
WHERE d.lane = $lane AND e.type LIKE 'incident.%' AND NOT e.test
ORDER BY d.seq, d.id

-- name: routing_openings
-- Openings within the storm's window by endpoint, those gathered for a digest included.
SELECT d.endpoint, count(*)
FROM deliveries d JOIN events e ON e.id = d.event
WHERE d.created_at > $since AND d.created_at <= $now AND NOT e.test
    AND e.type IN ('incident.opened', 'incident.reopened')
    AND (d.state <> 'skipped' OR d.reason = 'storm')
GROUP BY d.endpoint

-- name: routing_incident
SELECT kind, severity, resource, aggressors, victims FROM incidents WHERE id = $incident

-- name: routing_plans
-- A tenant nobody described has no plan.
SELECT id, plan FROM tenants WHERE list_contains($names, id) AND plan <> ''

-- name: routing_firing
SELECT id, kind, severity, resource, aggressors FROM incidents
WHERE NOT withdrawn AND state IN ('firing', 'flapping')
ORDER BY started_at, id
