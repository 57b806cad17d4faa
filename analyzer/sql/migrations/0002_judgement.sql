-- What is usual in each hour of the week (how: 0 is Monday 00:00 UTC). `load` is the logarithm of
-- busy seconds offered per second (see `offered`; `measured`: by server time), `felt` the mean
-- logarithm of the seconds callers felt. `weeks` have taught it, from `samples` minutes;
-- `learned_at` is the start of the newest hour that did.
CREATE TABLE baselines (
    tenant VARCHAR, resource VARCHAR, family VARCHAR, how INTEGER, measured BOOLEAN,
    load DOUBLE, load_spread DOUBLE, felt DOUBLE, felt_spread DOUBLE,
    weeks INTEGER, samples BIGINT, learned_at TIMESTAMP
);
-- Hours before `until` have taught the baselines: one row, or none before the first.
CREATE TABLE baselines_until (until TIMESTAMP);
