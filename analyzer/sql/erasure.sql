-- The right to be forgotten: the whole database is copied through a filter.

-- name: erasures
SELECT salt, digest FROM erasures;

-- name: erasure_list
SELECT id, erased_at, by_whom, cells, files FROM erasures ORDER BY erased_at, id;

-- name: add_erasure
INSERT INTO erasures VALUES ($id, $at, $salt, $digest, $by, $cells, $files);

-- name: tables
SELECT table_name FROM duckdb_tables() WHERE NOT internal AND schema_name = 'main' ORDER BY ALL;

-- name: whole_table
SELECT * FROM query_table($table);

-- name: series_of
SELECT ix FROM series WHERE tenant = $tenant;

-- name: weeks_naming
SELECT DISTINCT week FROM statements WHERE contains(content, $tenant);

-- name: cold_files_of_tenant
SELECT DISTINCT parse_filename(filename) AS file
FROM read_parquet($files, filename = true)
WHERE contains(tenant, $tenant) OR contains(resource, $tenant);

-- name: rename_cold_file
UPDATE cold_files SET file = $file, bytes = $bytes, sha256 = $sha256 WHERE file = $old;
