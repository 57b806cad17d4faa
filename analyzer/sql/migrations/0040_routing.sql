-- Routes, inhibitions, silences and maintenance windows: `body` is the frozen value as JSON
-- (analyzer/store/codec.py); `place` orders the routes; `source` is config or api.
CREATE TABLE rules (
    id VARCHAR, kind VARCHAR, place BIGINT, source VARCHAR, created_at TIMESTAMP, body VARCHAR
);
-- Why an endpoint is told or was skipped: a word of analyzer/routing/judge.py.
ALTER TABLE deliveries ADD COLUMN reason VARCHAR;
