-- name: notify_next_seq
SELECT coalesce(max(seq), 0) + 1 FROM events WHERE lane = $lane

-- name: notify_event_insert
INSERT INTO events VALUES ($id, $type, $lane, $seq, $incident, $ts, $created_at, $test, $body)

-- name: notify_deliveries_insert
INSERT INTO deliveries (
    id, event, endpoint, lane, seq, state, attempt, next_at, created_at, queued_at, error, replay,
    reason
)
SELECT unnest($ids), $event, unnest($endpoints), $lane, $seq, unnest($states), 0, $now, $now, $now,
    unnest($errors), false, unnest($reasons)

-- name: notify_bury
UPDATE deliveries SET state = 'dead', lease_until = NULL, error = $error WHERE id = $id

-- name: notify_endpoints
SELECT * FROM endpoints ORDER BY created_at, name

-- name: notify_endpoint
SELECT * FROM endpoints WHERE id = $id

-- name: notify_endpoint_insert
INSERT INTO endpoints (id, name, url, format, secret, routing_key, events, source, state,
    created_at, failures, failing_since, told_failing, hold_until, token, options)
VALUES ($id, $called, $url, $format, $secret, $routing_key, $events, $source,
    'ok', $now, 0, NULL, false, NULL, $token, $options)

-- name: notify_endpoint_change
UPDATE endpoints SET url = $url, format = $format, secret = $secret, routing_key = $routing_key,
    token = $token, options = $options, events = $events, source = $source, state = 'ok',
    failures = 0, failing_since = NULL, told_failing = false, hold_until = NULL
WHERE id = $id

-- name: notify_endpoint_rename
UPDATE endpoints SET name = $called WHERE id = $id

-- name: notify_endpoint_seal
UPDATE endpoints SET url = $url, secret = $secret, routing_key = $routing_key, token = $token
WHERE id = $id

-- name: notify_endpoint_delete
DELETE FROM endpoints WHERE id = $id

-- name: notify_endpoint_health
UPDATE endpoints SET state = $state, failures = $failures, failing_since = $failing_since,
    told_failing = $told_failing, hold_until = $hold_until
WHERE id = $id

-- name: notify_bury_endpoint
UPDATE deliveries SET state = 'dead', lease_until = NULL, error = $error
WHERE endpoint = $endpoint AND state IN ('pending', 'in_flight')

-- name: notify_due_endpoints
SELECT DISTINCT d.endpoint FROM deliveries d JOIN endpoints p ON p.id = d.endpoint
WHERE p.state <> 'disabled' AND (p.hold_until IS NULL OR p.hold_until <= $now)
    AND ((d.state = 'pending' AND d.next_at <= $now)
        OR (d.state = 'in_flight' AND d.lease_until <= $now))

-- name: notify_claimable
-- The head of each lane: the lowest event not yet delivered, if it is due and nobody holds it.
WITH waiting AS (
    SELECT d.*, row_number() OVER (PARTITION BY d.lane ORDER BY d.seq, d.id) AS place
    FROM deliveries d
    WHERE d.endpoint = $endpoint AND d.state IN ('pending', 'in_flight')
)
SELECT w.id, w.attempt, w.queued_at, w.replay, e.body
FROM waiting w JOIN events e ON e.id = w.event
WHERE w.place = 1
    AND ((w.state = 'pending' AND w.next_at <= $now)
        OR (w.state = 'in_flight' AND w.lease_until <= $now))
    -- Late news of harm waits for $patience: what ended meanwhile wakes nobody.
    AND NOT (e.type LIKE 'incident.%' AND e.type <> 'incident.resolved'
        AND e.created_at > e.ts + INTERVAL 5 MINUTE
        AND e.created_at > $patience AND e.created_at <= $now)
ORDER BY w.queued_at, w.seq
LIMIT $limit

-- name: notify_replan
-- The clock was set back: what is planned beyond $longest, or was never tried, is due now.
UPDATE deliveries SET next_at = least(next_at, $now), lease_until = least(lease_until, $now)
WHERE (state = 'pending' AND next_at > $now AND (attempt = 0 OR next_at > $longest))
    OR (state = 'in_flight' AND lease_until > $furthest)

-- name: notify_release
UPDATE endpoints SET hold_until = NULL WHERE hold_until > $longest

-- name: notify_claim
UPDATE deliveries SET state = 'in_flight', attempt = attempt + 1, lease_until = $lease_until
WHERE list_contains($ids, id)

-- name: notify_threads
SELECT lane, reference FROM threads WHERE endpoint = $endpoint AND list_contains($lanes, lane)

-- name: notify_thread_forget
DELETE FROM threads WHERE endpoint = $endpoint AND lane = $lane

-- name: notify_thread_keep
INSERT INTO threads VALUES ($endpoint, $lane, $reference)

-- name: notify_prune_threads
DELETE FROM threads WHERE lane NOT IN (SELECT lane FROM deliveries)

-- name: notify_held
-- The attempt number is the fencing token: who lost the lease no longer settles.
SELECT id, attempt FROM deliveries WHERE state = 'in_flight' AND list_contains($ids, id)

-- name: notify_settle
UPDATE deliveries SET state = b.state, attempt = b.attempt, next_at = b.next_at,
    lease_until = NULL, delivered_at = b.delivered_at, status = b.status, ms = b.ms, error = b.error
FROM batch b WHERE deliveries.id = b.id

-- name: notify_supersede
-- Chat and pagers: what an already queued resolution makes stale is not sent any more. Stale is
-- what was tried in vain, or was late news (of a downtime caught up) when it was written.
UPDATE deliveries SET state = 'superseded', lease_until = NULL
WHERE endpoint = $endpoint AND state = 'pending' AND event IN (
    SELECT e.id FROM events e
    WHERE e.type LIKE 'incident.%' AND e.type <> 'incident.resolved'
        AND (deliveries.attempt > 0 OR e.created_at > e.ts + INTERVAL 5 MINUTE) AND EXISTS (
        SELECT 1 FROM deliveries later JOIN events done ON done.id = later.event
        WHERE later.endpoint = $endpoint AND later.lane = e.lane AND later.seq > e.seq
            AND later.state = 'pending' AND done.type = 'incident.resolved'
    )
)

-- name: notify_attempts_insert
INSERT INTO attempts BY NAME SELECT * FROM batch

-- name: notify_deliveries
SELECT d.id, d.event AS event_id, e.type AS event_type, e.incident, p.name AS endpoint, d.state, d.attempt, d.next_at,
    d.created_at, d.delivered_at, d.status, d.ms, d.error, coalesce(d.reason, '') AS reason
FROM deliveries d JOIN events e ON e.id = d.event LEFT JOIN endpoints p ON p.id = d.endpoint
WHERE ($id IS NULL OR d.id = $id)
    AND ($state IS NULL OR d.state = $state)
    AND ($endpoint IS NULL OR d.endpoint = $endpoint OR p.name = $endpoint)
    AND ($incident IS NULL OR e.incident = $incident)
ORDER BY d.created_at DESC, d.seq DESC, d.id
LIMIT $limit

-- name: notify_attempts
SELECT * FROM attempts WHERE delivery = $delivery ORDER BY n

-- name: notify_all_attempts
SELECT * FROM attempts

-- name: notify_replay
UPDATE deliveries SET state = 'pending', next_at = $now, queued_at = $now, lease_until = NULL,
    delivered_at = NULL, replay = true
WHERE id = $id

-- name: notify_failed_since
SELECT d.id FROM deliveries d JOIN endpoints p ON p.id = d.endpoint
WHERE d.state = 'dead' AND d.created_at >= $since AND p.state <> 'disabled'
ORDER BY d.created_at, d.seq

-- name: notify_event
SELECT body FROM events WHERE id = $id

-- name: notify_last_event_of_incident
SELECT body FROM events WHERE incident = $incident AND type LIKE 'incident.%' AND NOT test
ORDER BY seq DESC LIMIT 1

-- name: notify_events_of
SELECT body FROM events WHERE lane = $lane ORDER BY seq

-- name: notify_depth
SELECT
    count(*) FILTER (d.state <> 'dead' AND p.state <> 'disabled'),
    min(d.queued_at) FILTER (d.state <> 'dead' AND p.state <> 'disabled'),
    count(*) FILTER (d.state = 'dead')
FROM deliveries d JOIN endpoints p ON p.id = d.endpoint
WHERE d.state IN ('pending', 'in_flight', 'dead')

-- name: notify_prune_attempts
DELETE FROM attempts WHERE started_at < $before

-- name: notify_prune_deliveries
DELETE FROM deliveries
WHERE created_at < $before AND state NOT IN ('pending', 'in_flight')

-- name: notify_delivery_of_event
SELECT id FROM deliveries WHERE event = $event

-- name: notify_told
-- Was anybody told of this incident? (Then its end must be told as well.)
SELECT 1 FROM events WHERE lane = $lane AND type LIKE 'incident.%' LIMIT 1

-- name: notify_endpoint_enable
UPDATE endpoints SET state = 'ok', failures = 0, failing_since = NULL, told_failing = false,
    hold_until = NULL
WHERE id = $id

-- name: notify_endpoint_secret
UPDATE endpoints SET secret = $secret WHERE id = $id

-- name: notify_counts
SELECT count(*) FILTER (state = 'delivered'), count(*) FILTER (state = 'dead')
FROM deliveries WHERE endpoint = $endpoint

-- name: notify_feed
-- The latest word on every incident that fires or ended lately, unless newer word is on its way.
SELECT e.body
FROM events e JOIN incidents i ON i.id = e.incident
WHERE e.type LIKE 'incident.%' AND NOT e.test AND NOT i.withdrawn
    AND (i.state IN ('firing', 'flapping') OR i.ended_at >= $resolved_since)
    AND NOT EXISTS (
        SELECT 1 FROM deliveries d
        WHERE d.endpoint = $endpoint AND d.lane = e.lane AND d.state IN ('pending', 'in_flight')
    )
    -- What routes or silences kept from it is not said by the back door.
    AND EXISTS (
        SELECT 1 FROM deliveries t
        WHERE t.endpoint = $endpoint AND t.lane = e.lane AND t.state <> 'skipped'
    )
QUALIFY row_number() OVER (PARTITION BY e.incident ORDER BY e.seq DESC) = 1
ORDER BY e.incident

-- name: outside_forget
DELETE FROM outside_silences WHERE endpoint = $endpoint

-- name: outside_keep
INSERT INTO outside_silences VALUES ($endpoint, $incident, $silence, $until, $author, $comment, $url)

-- name: outside_silences
SELECT p.name, o.silence, o.until, o.author, o.comment, o.url
FROM outside_silences o JOIN endpoints p ON p.id = o.endpoint
WHERE o.incident = $incident AND o.until > $now
ORDER BY p.name, o.silence

-- name: notify_latest_incident_event
SELECT body FROM events WHERE type LIKE 'incident.%' AND NOT test ORDER BY created_at DESC, seq DESC
LIMIT 1
