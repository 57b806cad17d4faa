-- The ledger of weekly statements and their files.

-- name: statement_latest
SELECT week, version, status, zone, currency, bill, delta, created_at, sha256, trace, content
FROM statements
WHERE week = $week AND ($version IS NULL OR version = $version)
ORDER BY version DESC
LIMIT 1;

-- name: statement_first
-- Null when the first version is also the newest.
SELECT min_by(content, version) FROM statements WHERE week = $week HAVING count(*) > 1;

-- name: statement_of_version
SELECT content FROM statements WHERE week = $week AND version = $version;

-- name: statement_weeks
SELECT week, max(version) AS version, max_by(status, version) AS status,
    max_by(zone, version) AS zone, max_by(currency, version) AS currency,
    max_by(bill, version) AS bill, max_by(created_at, version) AS created_at,
    max_by(sha256, version) AS sha256, max_by(trace, version) AS trace
FROM statements
GROUP BY week
ORDER BY week;

-- name: statement_add
INSERT INTO statements VALUES (
    $week, $version, $status, $zone, $currency, $bill, $delta, $created_at, $sha256, $trace, $content
);

-- name: report_file_add
INSERT INTO report_files VALUES ($week, $version, $tenant, $format, $path, $sha256);

-- name: report_files_of
SELECT format, path FROM report_files
WHERE week = $week AND version = $version AND tenant = $tenant
ORDER BY format;

-- name: report_checked_at
SELECT max(checked_at) FROM report_checks;

-- name: report_check_forget
DELETE FROM report_checks;

-- name: report_check_add
INSERT INTO report_checks VALUES ($at);

-- name: statement_version
SELECT max(version) FROM statements WHERE week = $week;

-- name: report_list
SELECT
    s.week, s.version, s.status, s.created_at, s.bill, s.currency,
    list_sort(list(f.format) FILTER (f.format IS NOT NULL)) AS formats
FROM statements AS s
LEFT JOIN report_files AS f ON f.week = s.week AND f.version = s.version AND f.tenant = ''
GROUP BY ALL
ORDER BY s.week DESC, s.version DESC;
