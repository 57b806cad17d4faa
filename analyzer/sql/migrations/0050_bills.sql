-- Bills of providers, as imported; nothing is changed later. Amounts are whole quanta, 10^-scale of
-- the line's currency; null where the file does not say. Times are UTC.
-- `seq` orders imports: of each (provider, account, billing period) the newest bill counts.
CREATE TABLE bills (
    id VARCHAR, seq BIGINT, sha256 VARCHAR, shape VARCHAR, name VARCHAR, parts INTEGER,
    lines BIGINT, bad BIGINT, scale INTEGER, notes VARCHAR, imported_at TIMESTAMP
);
CREATE TABLE bill_lines (
    bill VARCHAR, "row" BIGINT, provider VARCHAR, account VARCHAR, subaccount VARCHAR,
    service VARCHAR, sku VARCHAR, resource_id VARCHAR, resource_name VARCHAR, category VARCHAR,
    tags VARCHAR, charge_class VARCHAR, description VARCHAR, currency VARCHAR,
    billed HUGEINT, effective HUGEINT, start_ts TIMESTAMP, end_ts TIMESTAMP,
    since TIMESTAMP, until TIMESTAMP
);
-- What a bill covers: `covers_to` is the end of its last charge in the period, `until` the end of
-- the period.
CREATE TABLE bill_scopes (
    bill VARCHAR, provider VARCHAR, account VARCHAR, since TIMESTAMP, until TIMESTAMP,
    covers_to TIMESTAMP, lines BIGINT
);
CREATE TABLE bill_bad_rows (bill VARCHAR, part VARCHAR, "row" BIGINT, what VARCHAR, "text" VARCHAR);
CREATE TABLE bill_withdrawals (bill VARCHAR, "at" TIMESTAMP);

-- Of each version of a week's statement: what a bill said of a resource against the price sheet.
CREATE TABLE cost_adjustments (
    week VARCHAR, version INTEGER, resource VARCHAR, currency VARCHAR,
    estimate VARCHAR, billed VARCHAR, adjustment VARCHAR, "at" TIMESTAMP
);
-- What a tenant's plan and own price were, from when; the first row holds since it is known.
CREATE TABLE tenant_plans (
    tenant VARCHAR, plan VARCHAR, price_minor BIGINT, from_ts TIMESTAMP
);
-- Every content the account's prices and policies had, from when.
CREATE TABLE cost_policies (version VARCHAR, from_ts TIMESTAMP, content VARCHAR);
