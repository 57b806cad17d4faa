-- What everyone on a resource did around an incident, for the three rows on one clock.

-- name: evidence_10s
-- Partial rows of a window add up before anything is divided.
SELECT
    time_bucket(to_seconds($step), ts) AS at, tenant,
    sum(busy_us) / 1e6 / $step AS busy,
    sum(arrived) / $step AS arrived,
    sum("count") AS finished,
    sum(latency_sum_us) / 1e6 AS latency_s
FROM usage_10s
WHERE resource = $resource AND ts >= $since AND ts < $until
GROUP BY ALL
ORDER BY ALL;

-- name: evidence_1m
SELECT
    time_bucket(to_seconds($step), ts) AS at, tenant,
    sum(busy_us) / 1e6 / $step AS busy,
    sum(arrived) / $step AS arrived,
    sum("count") AS finished,
    sum(latency_sum_us) / 1e6 AS latency_s
FROM usage_1m
WHERE resource = $resource AND ts >= $since AND ts < $until
GROUP BY ALL
ORDER BY ALL;
