-- Tenants whose rows of a grain were given up before the others' ([[keep]]): up to `until`, what was
-- summed of them is never redone, because what it was made of no longer exists.
CREATE TABLE kept_shorter (grain VARCHAR, tenant VARCHAR, until TIMESTAMP);
