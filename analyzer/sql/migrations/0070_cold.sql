-- Old usage moves into Parquet files beside the database; recent rows stay in the hot tables. The
-- views show both as one, through the session variable `cold` (see analyzer/store/database.py).
ALTER TABLE usage_10s RENAME TO hot_10s;
ALTER TABLE usage_1m RENAME TO hot_1m;
ALTER TABLE usage_1h RENAME TO hot_1h;

-- The files that count: a row is added in the transaction that removes its rows from the hot table.
-- `low` and `high` are the first and the last window in the file; both lie in one `unit`.
CREATE TABLE cold_files (
    grain VARCHAR, file VARCHAR, unit TIMESTAMP, low TIMESTAMP, high TIMESTAMP, rows BIGINT,
    bytes BIGINT, sha256 VARCHAR, made_at TIMESTAMP
);

CREATE VIEW cold_10s AS
SELECT * FROM read_parquet(getvariable('cold').s10, union_by_name = true);
CREATE VIEW cold_1m AS
SELECT * FROM read_parquet(getvariable('cold').m1, union_by_name = true);
CREATE VIEW cold_1h AS
SELECT * FROM read_parquet(getvariable('cold').h1, union_by_name = true);

CREATE VIEW usage_10s AS SELECT * FROM hot_10s UNION ALL BY NAME SELECT * FROM cold_10s;
CREATE VIEW usage_1m AS SELECT * FROM hot_1m UNION ALL BY NAME SELECT * FROM cold_1m;
CREATE VIEW usage_1h AS SELECT * FROM hot_1h UNION ALL BY NAME SELECT * FROM cold_1h;
