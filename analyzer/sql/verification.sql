-- Does everything say the same?

-- name: verify_sums
-- Per day, every integer column of a table, over windows nobody marked to be redone.
SELECT
    date_trunc('day', ts) AS day,
    sum(COLUMNS('^(arrived|count|errors|volume|throttled|.*_us|b[0-9]{2})$')::HUGEINT) AS '\1'
FROM query_table($table) AS query_table
WHERE
    ts >= $since AND ts < $until
    AND time_bucket(to_seconds($width_s), ts, TIMESTAMP '1970-01-01')
    NOT IN (SELECT ts FROM dirty WHERE grain = $grain)
    AND NOT EXISTS (
        SELECT 1 FROM kept_shorter AS k
        WHERE k.grain = $source AND k.tenant = query_table.tenant AND query_table.ts < k.until
    )
GROUP BY day
ORDER BY day;

-- name: segment_ids
SELECT id FROM segments;

-- name: verify_segments
SELECT id, frames, samples FROM segments WHERE id IN (SELECT unnest($ids::VARCHAR[]));
