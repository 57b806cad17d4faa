-- Parquet files beside the database: which count, and how rows move into them.

-- name: cold_files
SELECT grain, file, high FROM cold_files ORDER BY grain, low, file;

-- name: show_cold
SET VARIABLE cold = {'s10': $1::VARCHAR[], 'm1': $2::VARCHAR[], 'h1': $3::VARCHAR[]};

-- name: cold_units
-- Units with hot rows before $until; a window is in the unit in which it begins.
SELECT time_bucket(to_seconds($unit_s), ts, TIMESTAMP '1970-01-01') AS unit
FROM query_table($hot)
WHERE ts >= $since AND ts < $until
GROUP BY unit
ORDER BY unit;

-- name: cold_rows
-- In the order of the file: neighbours resemble each other, and one tenant is found in one place.
SELECT * FROM query_table($table)
WHERE ts >= $low AND ts < $high
ORDER BY resource, tenant, family, bounds, ts;

-- name: cold_merged
-- Rows of one window added up. A window that was corrected to nothing disappears.
SELECT
    ts, window_s, tenant, resource, family, bounds,
    sum(COLUMNS('^(arrived|count|errors|volume|throttled|.*_us|b[0-9]{2})$'))::BIGINT AS '\1',
    sum(waiting) AS waiting
FROM query_table($table)
WHERE ts >= $low AND ts < $high
GROUP BY ts, window_s, tenant, resource, family, bounds
ORDER BY resource, tenant, family, bounds, ts;

-- name: cold_sums
-- What must not change when rows move: every integer column, and how much is known.
SELECT
    sum(COLUMNS('^(arrived|count|errors|.*_us|volume|throttled|b[0-9]{2})$')::HUGEINT)
FROM query_table($table)
WHERE ts >= $low AND ts < $high;

-- name: cold_sums_of_file
SELECT
    sum(COLUMNS('^(arrived|count|errors|.*_us|volume|throttled|b[0-9]{2})$')::HUGEINT)
FROM (SELECT * FROM hot_10s WHERE false UNION ALL BY NAME SELECT * FROM read_parquet($files))
WHERE ts >= $low AND ts < $high;

-- name: cold_print
-- Two sets of rows with one print are the same rows.
SELECT count(*), sum(hash(t)::HUGEINT), min(ts), max(ts)
FROM query_table($table) AS t
WHERE ts >= $low AND ts < $high;

-- name: cold_print_of_file
SELECT count(*), sum(hash(t)::HUGEINT), min(ts), max(ts)
FROM
    (SELECT * FROM hot_10s WHERE false UNION ALL BY NAME SELECT * FROM read_parquet($files)) AS t
WHERE ts >= $low AND ts < $high;

-- name: cold_files_of_unit
SELECT file FROM cold_files WHERE grain = $grain AND unit = $unit;

-- name: cold_manifest
SELECT grain, file, unit, low, high, rows, bytes, sha256 FROM cold_files ORDER BY grain, unit, file;

-- name: add_cold_file
INSERT INTO cold_files
VALUES ($grain, $file, $unit, $low, $high, $rows, $bytes, $sha256, $now);

-- name: drop_cold_files
DELETE FROM cold_files WHERE grain = $grain AND file IN (SELECT unnest($files::VARCHAR[]));

-- name: old_cold_files
SELECT file, rows FROM cold_files WHERE grain = $grain AND high < $until;

-- name: straddling_unit
SELECT min(unit) FROM cold_files WHERE grain = $grain AND low < $until AND high >= $until;

-- name: cooled_10s
DELETE FROM hot_10s WHERE ts >= $low AND ts < $high;

-- name: cooled_1m
DELETE FROM hot_1m WHERE ts >= $low AND ts < $high;

-- name: cooled_1h
DELETE FROM hot_1h WHERE ts >= $low AND ts < $high;

-- name: any_cold
SELECT count(*) FROM cold_files WHERE grain = $grain AND low < $high AND high >= $low;

-- name: take_back_1m
-- Windows rolled up again whose old sums lie in a file: rows add up, so the old ones are subtracted
-- here (and `net_1m` leaves what is new).
INSERT INTO hot_1m BY NAME
SELECT
    ts, window_s, tenant, resource, family, bounds,
    -sum(COLUMNS('^(arrived|count|errors|volume|throttled|.*_us|b[0-9]{2}|waiting)$')) AS '\1'
FROM cold_1m
WHERE ts >= $low AND ts < $high AND ts IN (SELECT unnest($windows::TIMESTAMP[]))
AND NOT EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '10s' AND k.tenant = cold_1m.tenant AND cold_1m.ts < k.until
)
GROUP BY ts, window_s, tenant, resource, family, bounds;

-- name: net_1m
SELECT
    ts, window_s, tenant, resource, family, bounds,
    sum(COLUMNS('^(arrived|count|errors|volume|throttled|.*_us|b[0-9]{2})$'))::BIGINT AS '\1',
    sum(waiting) AS waiting, count(*) AS parts
FROM hot_1m
WHERE ts IN (SELECT unnest($windows::TIMESTAMP[]))
AND NOT EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '10s' AND k.tenant = hot_1m.tenant AND hot_1m.ts < k.until
)
GROUP BY ts, window_s, tenant, resource, family, bounds;

-- name: put_back_1m
INSERT INTO hot_1m BY NAME SELECT * FROM batch;

-- name: take_back_1h
INSERT INTO hot_1h BY NAME
SELECT
    ts, window_s, tenant, resource, family, bounds,
    -sum(COLUMNS('^(arrived|count|errors|volume|throttled|.*_us|b[0-9]{2}|waiting)$')) AS '\1'
FROM cold_1h
WHERE ts >= $low AND ts < $high AND ts IN (SELECT unnest($windows::TIMESTAMP[]))
AND NOT EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '1m' AND k.tenant = cold_1h.tenant AND cold_1h.ts < k.until
)
GROUP BY ts, window_s, tenant, resource, family, bounds;

-- name: net_1h
SELECT
    ts, window_s, tenant, resource, family, bounds,
    sum(COLUMNS('^(arrived|count|errors|volume|throttled|.*_us|b[0-9]{2})$'))::BIGINT AS '\1',
    sum(waiting) AS waiting, count(*) AS parts
FROM hot_1h
WHERE ts IN (SELECT unnest($windows::TIMESTAMP[]))
AND NOT EXISTS (
    SELECT 1 FROM kept_shorter AS k
    WHERE k.grain = '1m' AND k.tenant = hot_1h.tenant AND hot_1h.ts < k.until
)
GROUP BY ts, window_s, tenant, resource, family, bounds;

-- name: put_back_1h
INSERT INTO hot_1h BY NAME SELECT * FROM batch;

-- name: cold_files_of_tenants
SELECT DISTINCT parse_filename(filename) AS file
FROM read_parquet($files, filename = true)
WHERE tenant IN (SELECT unnest($tenants::VARCHAR[]));

-- name: database_blocks
-- Bytes of a block, and how many the file has and uses for nothing.
SELECT block_size, total_blocks, free_blocks FROM pragma_database_size()
WHERE database_name = current_database();
