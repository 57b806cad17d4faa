-- What is normal, per tenant, resource and hour of the week (how = -1: any hour). Robust centre and
-- spread of the natural logarithm, with the number of windows that taught it.
CREATE TABLE baselines (
    resource VARCHAR, tenant VARCHAR, how INTEGER, measure VARCHAR,
    centre DOUBLE, spread DOUBLE, samples BIGINT, learned_at TIMESTAMP
);
