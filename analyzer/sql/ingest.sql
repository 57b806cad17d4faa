-- The drain: spool segments into usage, exactly once.

-- name: drained_segments
SELECT id FROM segments WHERE id IN (SELECT unnest($ids::VARCHAR[]));

-- name: add_segments
INSERT INTO segments
SELECT id, $now, frames, samples, rows, newest FROM batch;

-- name: known_batches
SELECT id FROM batches WHERE id IN (SELECT unnest($ids::VARCHAR[]));

-- name: add_batches
INSERT INTO batches SELECT id, $now FROM batch;

-- name: series
SELECT * FROM series ORDER BY ix;

-- name: add_series
INSERT INTO series BY NAME SELECT * FROM batch;

-- name: series_sids
-- Only the newest generations can still have segments waiting.
SELECT generation, sid, ix FROM series_sids ORDER BY generation, sid;

-- name: add_series_sids
INSERT INTO series_sids BY NAME SELECT * FROM batch;

-- name: counter_states
SELECT
    ix,
    arg_max(last_ms, seq) AS last_ms,
    arg_max(last_value, seq) AS last_value,
    arg_max(start_ms, seq) AS start_ms,
FROM counter_states
GROUP BY ix;

-- name: counter_states_size
SELECT count(*), coalesce(max(seq), 0) FROM counter_states;

-- name: add_counter_states
INSERT INTO counter_states BY NAME SELECT $seq AS seq, * FROM batch;

-- name: drop_counter_states
DELETE FROM counter_states;

-- name: delta_gaps
SELECT ix, since_ms, until_ms FROM delta_gaps;

-- name: drop_delta_gaps
DELETE FROM delta_gaps;

-- name: add_delta_gaps
INSERT INTO delta_gaps BY NAME SELECT * FROM batch;

-- name: generations
SELECT id, first_ms FROM generations;

-- name: drop_generation
DELETE FROM generations WHERE id = $id;

-- name: add_generation
INSERT INTO generations VALUES ($id, $first_ms, $now);

-- name: watched
SELECT resource, since_ms FROM watched;

-- name: add_watched
INSERT INTO watched BY NAME SELECT * FROM batch;

-- name: latency_bounds
SELECT id, bounds FROM latency_bounds ORDER BY id;

-- name: add_latency_bounds
INSERT INTO latency_bounds SELECT id::SMALLINT, bounds FROM batch;

-- name: add_usage
INSERT INTO hot_10s BY NAME SELECT * FROM batch;

-- name: mark_dirty
INSERT INTO dirty
SELECT '1m', ts FROM batch
EXCEPT
SELECT grain, ts FROM dirty;

-- name: last_drain
SELECT max(drained_at) FROM segments;

-- name: forget_segments
-- A sealed file is discarded right after its commit; the ledger only bridges a crash in between.
-- The newest entry stays: it says how far the data reaches.
DELETE FROM segments
WHERE drained_at < $before
AND (newest IS NULL OR newest < (SELECT max(newest) FROM segments));

-- name: forget_batches
DELETE FROM batches WHERE seen_at < $before;

-- name: forget_generations
DELETE FROM generations
WHERE seen_at < $before AND id < (SELECT max(id) FROM generations);

-- name: forget_sids
DELETE FROM series_sids
WHERE generation < (SELECT max(id) FROM generations)
AND generation NOT IN (SELECT id FROM generations);
