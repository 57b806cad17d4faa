-- name: journal_incident_delete
DELETE FROM incidents WHERE id = $id

-- name: journal_incident_insert
INSERT INTO incidents VALUES ($id, $resource, $kind, $state, $severity, $started_at, $updated_at,
    $detected_at, $ended_at, $seq, $aggressors, $victims, $withdrawn, $body, $part_of)

-- name: journal_incident
SELECT body, withdrawn FROM incidents WHERE id = $id

-- name: journal_incidents_open
-- A resolved incident comes along for a while so that it can be reopened.
SELECT body FROM incidents
WHERE NOT withdrawn AND (state <> 'resolved' OR ended_at >= $resolved_since)
ORDER BY started_at, id

-- name: journal_incidents
-- The overlap of [started_at, ended_at or now) with [from, to); newest first.
SELECT body FROM incidents
WHERE NOT withdrawn
    AND ($parts OR part_of IS NULL)
    AND ($states IS NULL OR list_contains($states, state))
    AND ($kind IS NULL OR kind = $kind)
    AND ($resource IS NULL OR resource = $resource)
    AND ($tenant IS NULL OR list_contains(aggressors, $tenant) OR list_contains(victims, $tenant))
    AND ($from_ts IS NULL OR ended_at IS NULL OR ended_at >= $from_ts)
    AND ($to_ts IS NULL OR started_at < $to_ts)
ORDER BY started_at DESC, id
LIMIT $limit

-- name: journal_transition_seen
-- Twice-safe: the same change judged again after a crash is not written again.
SELECT 1 FROM transitions WHERE incident = $incident AND type = $type AND ts = $ts

-- name: journal_transition_insert
INSERT INTO transitions VALUES ($incident, $seq, $type, $ts, $recorded_at, $state, $reason, $by_whom)

-- name: journal_timeline
SELECT ts, what, detail, by_whom FROM (
    SELECT ts, type AS what, reason AS detail, by_whom, seq FROM transitions WHERE incident = $incident
    UNION ALL
    SELECT ts, 'label: ' || label, note, by_whom, 0 FROM labels WHERE incident = $incident
    UNION ALL
    SELECT c.ts, 'decision ' || c.state, d.action || ' ' || d.tenant || ': ' || c.reason, c.by_whom, 0
    FROM decision_changes c JOIN decisions d ON d.id = c.decision WHERE d.incident = $incident
    UNION ALL
    SELECT v.delivered_at, 'delivered', e.type || ' to ' || p.name, '', 0
    FROM deliveries v
    JOIN events e ON e.id = v.event
    JOIN endpoints p ON p.id = v.endpoint
    WHERE e.incident = $incident AND v.state = 'delivered' AND NOT e.test
    UNION ALL
    SELECT v.created_at, 'not told', p.name || ' of ' || e.type || ', ' || v.reason || ': ' || v.error, '', 0
    FROM deliveries v
    JOIN events e ON e.id = v.event
    JOIN endpoints p ON p.id = v.endpoint
    WHERE e.incident = $incident AND v.state = 'skipped' AND NOT e.test
        AND v.reason IN ('silenced', 'maintenance', 'inhibited', 'storm', 'flapping', 'untold')
)
ORDER BY ts, seq, what

-- name: journal_label_insert
INSERT INTO labels VALUES ($incident, $ts, $label, $note, $by_whom)

-- name: journal_decision
SELECT body FROM decisions WHERE id = $id

-- name: journal_decision_delete
DELETE FROM decisions WHERE id = $id

-- name: journal_decision_insert
INSERT INTO decisions VALUES ($id, $incident, $action, $state, $tenant, $resource, $created_at,
    $expires_at, $updated_at, $body)

-- name: journal_decision_change_insert
INSERT INTO decision_changes VALUES ($decision, $ts, $state, $reason, $by_whom)

-- name: journal_decisions
SELECT body FROM decisions
WHERE ($states IS NULL OR list_contains($states, state))
    AND ($incident IS NULL OR incident = $incident)
    AND ($tenant IS NULL OR tenant = $tenant)
    AND ($resource IS NULL OR resource = $resource)
ORDER BY created_at DESC, id
LIMIT $limit

-- name: journal_annotation_insert
INSERT INTO annotations VALUES ($id, $ts, $received_at, $title, $detail, $resource, $tenant, $source)

-- name: journal_annotation_seen
SELECT id FROM annotations
WHERE ts = $ts AND title = $title AND source = $source
    AND resource IS NOT DISTINCT FROM $resource AND tenant IS NOT DISTINCT FROM $tenant

-- name: journal_annotations
SELECT id, ts, title, detail, resource, tenant, source FROM annotations
WHERE ($from_ts IS NULL OR ts >= $from_ts) AND ($to_ts IS NULL OR ts < $to_ts)
    AND ($resource IS NULL OR resource IS NULL OR resource = $resource)
    AND ($tenant IS NULL OR tenant IS NULL OR tenant = $tenant)
ORDER BY ts DESC, id
LIMIT $limit

-- name: judged_until
SELECT max("at") FROM judged

-- name: judged_move
UPDATE judged SET "at" = $at, since = coalesce(since, $at)

-- name: judged_begin
INSERT INTO judged VALUES ($at, $at)

-- name: first_judged
SELECT min(since) FROM judged

-- name: silent_sources
SELECT resource, since FROM silent_sources ORDER BY resource

-- name: silent_add
INSERT INTO silent_sources VALUES ($resource, $since)

-- name: silent_remove
DELETE FROM silent_sources WHERE resource = $resource

-- name: heard_last
-- When each resource that had usage since $since was heard last (end of its newest window). Fine
-- windows are read only since $fresh, minutes only of who is not among them and not told of.
WITH fresh AS (
    SELECT resource, max(ts + to_seconds(window_s)) AS heard
    FROM usage_10s WHERE ts >= $fresh
    GROUP BY resource
)
SELECT resource, heard FROM fresh
UNION ALL
SELECT resource, max(ts + to_seconds(window_s)) FROM usage_1m
WHERE ts >= $since AND resource NOT IN (SELECT resource FROM fresh)
    AND resource NOT IN (SELECT resource FROM silent_sources)
GROUP BY resource
ORDER BY resource

-- name: calm_spans
-- What fired since $since: from its detection to its end (NULL: still), oldest first.
SELECT greatest(detected_at, $since) AS begun, ended_at FROM incidents
WHERE NOT withdrawn AND detected_at IS NOT NULL
    AND (ended_at IS NULL OR ended_at >= $since)
ORDER BY begun

-- name: journal_firing
-- Who is in what fires now, without the bodies: asked on every page.
SELECT resource, kind, aggressors, victims FROM incidents
WHERE NOT withdrawn AND state IN ('firing', 'flapping')
ORDER BY started_at DESC, id

-- name: journal_labelled
-- The newest label of every incident labelled since, with how sure its finding was.
SELECT
    i.id, i.kind, json_extract(i.body, '$.finding.confidence')::DOUBLE AS confidence,
    arg_max(l.label, l.ts) = 'confirmed' AS "right"
FROM labels AS l
JOIN incidents AS i ON i.id = l.incident
WHERE l.ts >= $since
GROUP BY i.id, i.kind, i.body
ORDER BY i.id
