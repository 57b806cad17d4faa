-- One row a week, version, scope (view and tenant), delivery and recipient, entered once.
-- state: queued, sent, skipped (a restatement too small to tell), superseded (a newer version came
-- first), withdrawn (no longer wanted), dead.
CREATE TABLE report_deliveries (
    week VARCHAR, version INTEGER, delivery VARCHAR, tenant VARCHAR, recipient VARCHAR,
    state VARCHAR, attempt INTEGER, next_at TIMESTAMP, lease_until TIMESTAMP, lease_by VARCHAR,
    created_at TIMESTAMP, sent_at TIMESTAMP, error VARCHAR
);
