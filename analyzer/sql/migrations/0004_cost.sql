-- Statements of cost, only ever added to: a restated week is a new version. Times are UTC.
-- `trace` is the fingerprint of the usage the statement was made from: late data changes it.
CREATE TABLE statements (
    week VARCHAR, version INTEGER, status VARCHAR, zone VARCHAR, currency VARCHAR, bill VARCHAR,
    delta VARCHAR, created_at TIMESTAMP, sha256 VARCHAR, trace VARCHAR, content VARCHAR
);
CREATE TABLE report_files (
    week VARCHAR, version INTEGER, tenant VARCHAR, format VARCHAR, path VARCHAR, sha256 VARCHAR
);
CREATE TABLE report_checks (checked_at TIMESTAMP);
