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
-- What each endpoint heard of incidents, and what was kept from it, in the lanes' order.
SELECT d.lane, d.endpoint, e.type, d.created_at, d.state <> 'skipped' OR coalesce(d.reason, '') = '' AS sent,
    coalesce(d.reason, '') AS reason
FROM deliveries d JOIN events e ON e.id = d.event
WHERE list_contains($lanes, d.lane) AND e.type LIKE 'incident.%' AND NOT e.test
ORDER BY d.lane, d.seq, d.id

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

-- name: routing_open
-- What people are told of; what is part of another incident is told there.
SELECT body FROM incidents
WHERE NOT withdrawn AND part_of IS NULL AND state IN ('firing', 'flapping')
ORDER BY started_at, id

-- name: routing_lanes
SELECT lane, type, created_at FROM events
WHERE list_contains($lanes, lane) AND type LIKE 'incident.%' AND NOT test
ORDER BY lane, seq

-- name: routing_last_kept
-- The newest word on an incident that was kept from an endpoint.
SELECT d.id FROM deliveries d JOIN events e ON e.id = d.event
WHERE d.lane = $lane AND d.endpoint = $endpoint AND d.state = 'skipped' AND NOT e.test
    AND e.type LIKE 'incident.%' AND coalesce(d.reason, '') <> ''
ORDER BY d.seq DESC LIMIT 1

-- name: routing_release
UPDATE deliveries SET state = 'pending', next_at = $now, queued_at = $now, error = '',
    reason = $reason
WHERE id = $id AND state = 'skipped'

-- name: routing_gathered
-- Openings kept for a digest, by endpoint.
SELECT d.endpoint, d.id, e.incident, i.resource, i.severity, d.created_at,
    starts_with(d.error, 'told in ') AS told, i.state = 'resolved' OR i.withdrawn AS over
FROM deliveries d
JOIN events e ON e.id = d.event
JOIN incidents i ON i.id = e.incident
WHERE d.state = 'skipped' AND d.reason = 'storm' AND d.created_at > $since
    AND e.type IN ('incident.opened', 'incident.reopened') AND NOT e.test
ORDER BY d.endpoint, d.created_at, d.id

-- name: routing_last_digest
SELECT type, created_at FROM events WHERE lane = $lane ORDER BY seq DESC LIMIT 1

-- name: routing_told_in
UPDATE deliveries SET error = $words WHERE list_contains($ids, id)

-- name: routing_flapping
-- Incidents whose changes are kept from an endpoint, with nothing told since.
SELECT d.lane, d.endpoint, arg_max(d.id, d.seq) AS last, count(*) AS changes,
    min(d.created_at) AS since, max(d.created_at) AS newest
FROM deliveries d JOIN events e ON e.id = d.event
WHERE d.state = 'skipped' AND d.reason = 'flapping' AND NOT e.test
    AND NOT EXISTS (
        SELECT 1 FROM deliveries s JOIN events x ON x.id = s.event
        WHERE s.lane = d.lane AND s.endpoint = d.endpoint AND s.seq > d.seq
            AND s.state <> 'skipped' AND x.type LIKE 'incident.%' AND NOT x.test
    )
GROUP BY d.lane, d.endpoint
ORDER BY d.lane, d.endpoint

-- name: routing_stranded
-- What an endpoint that fails still owes, and its stand-in has not been given.
SELECT d.event, d.lane, d.seq FROM deliveries d JOIN events e ON e.id = d.event
WHERE d.endpoint = $endpoint AND d.state IN ('pending', 'in_flight', 'dead')
    AND d.created_at > $since AND e.type LIKE 'incident.%' AND NOT e.test
    AND NOT EXISTS (
        SELECT 1 FROM deliveries s
        WHERE s.event = d.event AND s.endpoint = $stand_in
            AND (s.state <> 'skipped' OR s.reason NOT IN ('not_routed'))
    )
ORDER BY d.created_at, d.seq
LIMIT 1000

-- name: routing_stand_in
INSERT INTO deliveries (
    id, event, endpoint, lane, seq, state, attempt, next_at, created_at, queued_at, error, replay,
    reason
)
SELECT id, event, $stand_in, lane, seq, 'pending', 0, $now, $now, $now, '', false, 'fallback'
FROM batch

-- name: routing_history
-- Openings on record, with the incident as it is known now.
SELECT t.type, t.ts, i.body FROM transitions t JOIN incidents i ON i.id = t.incident
WHERE t.type IN ('opened', 'reopened') AND t.ts >= $since AND t.ts < $until AND NOT i.withdrawn
    AND i.part_of IS NULL  -- told by the incident it is part of
ORDER BY t.ts, t.incident
