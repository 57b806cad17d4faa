-- One tenant's account of one week.

-- name: account_add
INSERT INTO accounts
SELECT week, version, tenant, currency, total, shown, foretold, sha256, content FROM batch;

-- name: account_past
SELECT
    tenant, week, max_by(total, version) AS total, max_by(shown, version) AS shown,
    max_by(coalesce(foretold, ''), version) AS foretold
FROM accounts
WHERE list_contains($weeks, week) AND currency = $currency
GROUP BY ALL
ORDER BY tenant, week;

-- name: accounts_of
SELECT content FROM accounts
WHERE week = $week AND version = $version
ORDER BY total::DECIMAL(38, 12) DESC, tenant;

-- name: account_of
SELECT content FROM accounts
WHERE week = $week AND tenant = $tenant
ORDER BY version DESC
LIMIT 1;

-- name: account_tenants
SELECT DISTINCT week, tenant FROM accounts;

-- name: accounts_of_tenant
-- The newest version of each week.
SELECT max_by(content, version) AS content FROM accounts
WHERE tenant = $tenant
GROUP BY week
ORDER BY week;

-- name: account_newest_totals
SELECT tenant, max_by(total, (week, version)) AS total FROM accounts GROUP BY tenant;
