-- One object per tenant, week and version: only ever added to. `total` keeps every decimal, `shown`
-- is at those of the currency; `foretold` is its forecast of the week after.
CREATE TABLE accounts (
    week VARCHAR, version INTEGER, tenant VARCHAR, currency VARCHAR, total VARCHAR, shown VARCHAR,
    foretold VARCHAR, sha256 VARCHAR, content VARCHAR
);
