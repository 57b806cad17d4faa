-- Bills of providers. A bill counts for a (provider, account, billing period) until a newer one of
-- the same is imported, or it is withdrawn.

-- name: bill_by_hash
SELECT id FROM bills
WHERE sha256 = $sha256 AND id NOT IN (SELECT bill FROM bill_withdrawals)
ORDER BY seq DESC
LIMIT 1;

-- name: bill_next
SELECT coalesce(max(seq), 0) + 1 FROM bills;

-- name: bill_add
INSERT INTO bills VALUES (
    $id, $seq, $sha256, $shape, $name, $parts, $lines, $bad, $scale, $notes, $imported_at
);

-- name: bill_lines_add
INSERT INTO bill_lines
SELECT
    $bill, "row", provider, account, subaccount, service, sku, resource_id, resource_name, category,
    tags, charge_class, description, currency, billed::HUGEINT, effective::HUGEINT,
    start_ts, end_ts, since, until
FROM batch;

-- name: bill_scopes_add
INSERT INTO bill_scopes
SELECT
    bill, provider, account, since, max(until),
    least(max(until), coalesce(max(end_ts) FILTER (WHERE category = 'Usage'), max(end_ts))), count(*)
FROM bill_lines
WHERE bill = $bill
GROUP BY ALL;

-- name: bill_bad_rows_add
INSERT INTO bill_bad_rows SELECT $bill, part, "row", what, "text" FROM batch;

-- name: bill_withdraw
INSERT INTO bill_withdrawals VALUES ($bill, $at);

-- name: bill_list
-- `counts`: of how many of its billing periods it is the bill that counts.
WITH newest AS (
    SELECT s.provider, s.account, s.since, max_by(s.bill, b.seq) AS bill
    FROM bill_scopes AS s
    INNER JOIN bills AS b ON b.id = s.bill
    WHERE s.bill NOT IN (SELECT bill FROM bill_withdrawals)
    GROUP BY ALL
), counted AS (
    SELECT bill, count(*) AS periods FROM newest GROUP BY bill
), spans AS (
    SELECT
        bill, min(since) AS since, max(until) AS until, count(*) AS periods,
        list_sort(list(DISTINCT provider)) AS providers
    FROM bill_scopes
    GROUP BY bill
)
SELECT
    b.id, b.shape, b.name, b.parts, b.lines, b.bad, b.scale, b.notes, b.imported_at, b.sha256,
    s.since, s.until, s.periods, s.providers,
    coalesce(c.periods, 0) AS counts, w."at" AS withdrawn_at
FROM bills AS b
LEFT JOIN spans AS s ON s.bill = b.id
LEFT JOIN counted AS c ON c.bill = b.id
LEFT JOIN bill_withdrawals AS w ON w.bill = b.id
WHERE $bill IS NULL OR b.id = $bill
ORDER BY b.seq DESC;

-- name: bill_totals
SELECT
    currency, sum(billed)::DECIMAL(38, 0) AS billed, sum(effective)::DECIMAL(38, 0) AS effective
FROM bill_lines
WHERE bill = $bill
GROUP BY currency
ORDER BY currency;

-- name: bill_faces
-- What rules see of a bill, each once, with how many lines look so.
SELECT
    provider, subaccount, service, sku, resource_id, resource_name, category, tags, currency,
    count(*) AS lines, coalesce(sum(billed), 0)::DECIMAL(38, 0) AS billed,
    coalesce(sum(effective), 0)::DECIMAL(38, 0) AS effective
FROM bill_lines
WHERE bill = $bill
GROUP BY ALL
ORDER BY ALL;

-- name: bill_lines_of
SELECT
    "row", provider, account, subaccount, service, sku, resource_id, resource_name, category, tags,
    charge_class, description, currency, billed::VARCHAR AS billed, effective::VARCHAR AS effective,
    start_ts, end_ts
FROM bill_lines
WHERE bill = $bill
ORDER BY "row";

-- name: bill_bad_rows_of
SELECT part, "row", what, "text" FROM bill_bad_rows
WHERE bill = $bill
ORDER BY part, "row"
LIMIT $limit;

-- name: bill_due
-- Lines of the bills that count, charged in an interval. A line wholly inside it, of a charge in
-- its own billing period, is summed with those that look alike (`start_ts` null); others are told
-- with their own times.
WITH newest AS (
    SELECT s.provider, s.account, s.since, max_by(s.bill, b.seq) AS bill,
        max_by(s.covers_to, b.seq) AS covers_to
    FROM bill_scopes AS s
    INNER JOIN bills AS b ON b.id = s.bill
    WHERE s.bill NOT IN (SELECT bill FROM bill_withdrawals)
    GROUP BY ALL
), due AS (
    SELECT
        l.*, b.scale, n.covers_to,
        l.start_ts >= l.since AND l.end_ts <= l.until AS own_period,
        l.start_ts >= $start AND l.end_ts <= $end AS inside
    FROM bill_lines AS l
    INNER JOIN newest AS n
        ON n.provider = l.provider AND n.account = l.account AND n.since = l.since
        AND n.bill = l.bill
    INNER JOIN bills AS b ON b.id = l.bill
    WHERE l.start_ts < $end AND l.end_ts > $start
)
SELECT
    provider, subaccount, service, sku, resource_id, resource_name, category, tags, currency, scale,
    CASE WHEN own_period THEN since END AS since,
    CASE WHEN own_period THEN covers_to END AS covers_to,
    CASE WHEN inside THEN NULL ELSE start_ts END AS start_ts,
    CASE WHEN inside THEN NULL ELSE end_ts END AS end_ts,
    lower(description) LIKE '%rounding%' OR lower(description) LIKE 'roundingadjustment%' AS rounding,
    bool_or(billed IS NULL) AS no_billed, bool_or(effective IS NULL) AS no_effective,
    coalesce(sum(billed), 0)::DECIMAL(38, 0) AS billed,
    coalesce(sum(effective), 0)::DECIMAL(38, 0) AS effective
FROM due
GROUP BY ALL
ORDER BY ALL;

-- name: bill_trace
-- Changes when other bills count for an interval.
WITH newest AS (
    SELECT s.provider, s.account, s.since, max_by(s.bill, b.seq) AS bill
    FROM bill_scopes AS s
    INNER JOIN bills AS b ON b.id = s.bill
    WHERE s.bill NOT IN (SELECT bill FROM bill_withdrawals)
    GROUP BY ALL
)
SELECT coalesce(string_agg(DISTINCT l.bill, ',' ORDER BY l.bill), '') AS trace
FROM bill_lines AS l
INNER JOIN newest AS n
    ON n.provider = l.provider AND n.account = l.account AND n.since = l.since AND n.bill = l.bill
WHERE l.start_ts < $end AND l.end_ts > $start;

-- name: bill_closed_to
-- Up to where bills of whole billing periods reach, and where the first one begins.
SELECT min(since), max(until)
FROM bill_scopes
WHERE bill NOT IN (SELECT bill FROM bill_withdrawals) AND covers_to >= until;

-- name: adjustment_add
INSERT INTO cost_adjustments
SELECT $week, $version, resource, $currency, estimate, billed, adjustment, $at FROM batch;

-- name: adjustment_list
SELECT week, version, resource, currency, estimate, billed, adjustment, "at"
FROM cost_adjustments
WHERE ($week IS NULL OR week = $week) AND ($resource IS NULL OR resource = $resource)
ORDER BY week DESC, version DESC, resource
LIMIT $limit;

-- name: plan_note
-- Tenants whose plan or own price is not the one last noted.
INSERT INTO tenant_plans
WITH known AS (
    SELECT
        id AS tenant, coalesce(max(plan), '') AS plan, max(price_minor) AS price_minor,
        min(created_at) AS created_at
    FROM tenants
    GROUP BY id
), noted AS (
    SELECT
        tenant, max_by(plan, from_ts) AS plan,
        arg_max_null(price_minor, from_ts) AS price_minor
    FROM tenant_plans
    GROUP BY tenant
)
SELECT k.tenant, k.plan, k.price_minor, CASE
    WHEN n.tenant IS NULL THEN coalesce(k.created_at, TIMESTAMP '1970-01-01') ELSE $at
END
FROM known AS k
LEFT JOIN noted AS n ON n.tenant = k.tenant
WHERE n.tenant IS NULL OR n.plan <> k.plan OR n.price_minor IS DISTINCT FROM k.price_minor;

-- name: plan_history
SELECT tenant, plan, price_minor, from_ts FROM tenant_plans ORDER BY tenant, from_ts;

-- name: policy_note
INSERT INTO cost_policies
SELECT $version, $at, $content
WHERE $version IS DISTINCT FROM (SELECT arg_max(version, from_ts) FROM cost_policies);

-- name: policy_history
SELECT version, from_ts, content FROM cost_policies ORDER BY from_ts DESC;
