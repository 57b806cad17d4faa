-- What report goes to whom, and what became of it.

-- name: report_delivery_add
-- Once, however often it is planned.
INSERT INTO report_deliveries
SELECT $week, $version, $delivery, $tenant, $recipient, $state, 0, $now, NULL, '', $now, NULL, $error
WHERE NOT EXISTS (
    SELECT 1 FROM report_deliveries
    WHERE week = $week AND version = $version AND delivery = $delivery AND tenant = $tenant
        AND recipient = $recipient
);

-- name: report_deliveries_known
SELECT delivery, tenant, recipient, week, max(version) AS version
FROM report_deliveries
GROUP BY ALL;

-- name: report_deliveries_told
-- The newest version of each week that was really sent.
SELECT delivery, tenant, recipient, week, max(version) AS version
FROM report_deliveries
WHERE state = 'sent'
GROUP BY ALL;

-- name: report_deliveries_skipped
-- What one recipient was not told of by a report of its own, with the change of the bill.
SELECT d.week, d.version, d.error, s.bill, s.delta, s.currency
FROM report_deliveries AS d
INNER JOIN statements AS s ON s.week = d.week AND s.version = d.version
WHERE d.state = 'skipped' AND d.delivery = $delivery AND d.tenant = $tenant
    AND d.recipient = $recipient
ORDER BY d.week, d.version;

-- name: report_bills
SELECT week, version, bill, status FROM statements;

-- name: report_deliveries_open
SELECT week, version, delivery, tenant, recipient, attempt, next_at, lease_until
FROM report_deliveries
WHERE state = 'queued'
ORDER BY delivery, recipient, tenant, week, version;

-- name: report_delivery_claim
UPDATE report_deliveries
SET lease_until = $until, lease_by = $holder, attempt = attempt + 1
WHERE state = 'queued' AND week = $week AND version = $version AND delivery = $delivery
    AND tenant = $tenant AND recipient = $recipient AND next_at <= $now
    AND (lease_until IS NULL OR lease_until <= $now);

-- name: report_delivery_done
-- Only whoever holds the lease may say what became of it.
UPDATE report_deliveries
SET state = $state, sent_at = $sent_at, error = $error, next_at = $next_at, lease_until = NULL
WHERE state = 'queued' AND lease_by = $holder AND week = $week AND version = $version
    AND delivery = $delivery AND tenant = $tenant AND recipient = $recipient;

-- name: report_delivery_end
UPDATE report_deliveries SET state = $state, error = $error
WHERE state = 'queued' AND week = $week AND version = $version AND delivery = $delivery
    AND tenant = $tenant AND recipient = $recipient
    AND (lease_until IS NULL OR lease_until <= $now);

-- name: report_deliveries
SELECT week, version, delivery, tenant, recipient, state, attempt, created_at, sent_at, error
FROM report_deliveries
ORDER BY created_at DESC, week DESC, delivery, recipient, tenant
LIMIT $limit;
