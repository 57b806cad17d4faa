-- Usage by the day, for growth nobody sees in windows of seconds.

-- name: slow_until
SELECT max(day) FROM slow_until;

-- name: slow_clear
DELETE FROM slow_until;

-- name: slow_mark
INSERT INTO slow_until VALUES ($day);

-- name: slow_resources
-- Resources used in the newest day of the span, with what is known of them.
SELECT d.resource, any_value(r.capacity)
FROM (SELECT DISTINCT resource FROM usage_1d WHERE ts >= $newest AND ts < $until) AS d
LEFT JOIN resources AS r ON r.id = d.resource
GROUP BY d.resource
ORDER BY d.resource;

-- name: slow_days
-- One row per tenant, day and bounds of one resource; `load` is the day's offered busy seconds.
SELECT
    tenant, ts AS day, coalesce(bounds, 0) AS bounds,
    offered(sum(busy_us), sum(arrived), sum("count"))::DOUBLE AS load,
    sum("count")::DOUBLE AS operations,
    sum(COLUMNS('^(b[0-9]{2})$'))::DOUBLE AS '\1'
FROM usage_1d
WHERE resource = $resource AND ts >= $since AND ts < $until AND tenant <> $unknown
GROUP BY ALL
ORDER BY tenant, day;

-- name: slow_peaks
-- How much of a day's mean load its busiest hour carries.
SELECT day, max(load) / nullif(sum(load) / 24, 0) AS peak FROM (
    SELECT
        date_trunc('day', ts)::TIMESTAMP AS day, ts,
        offered(sum(busy_us), sum(arrived), sum("count"))::DOUBLE AS load
    FROM usage_1h
    WHERE resource = $resource AND ts >= $since AND ts < $until
    GROUP BY ALL
)
GROUP BY day
ORDER BY day;
