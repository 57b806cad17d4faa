-- Baselines by hour of the week, learned from each finished hour once.

-- name: baselines_until
SELECT max(until) FROM baselines_until;

-- name: baselines_clear_until
DELETE FROM baselines_until;

-- name: baselines_set_until
INSERT INTO baselines_until VALUES ($until);

-- name: baselines_next_hour
SELECT date_trunc('hour', min(ts)) FROM usage_1m WHERE ts >= $since AND ts < $until;

-- name: baselines_forget
DELETE FROM baselines WHERE learned_at < $before;

-- name: baselines_bounds
SELECT id, bounds FROM latency_bounds ORDER BY id;

-- name: baselines_learn_hour
-- One week more: the centre moves by a part 1/weeks (at most two spreads once it has seen two
-- weeks), the spread likewise. An hour already learned is left alone. `$middles[id + 1]` are the
-- logarithms of the bucket middles of bounds `id`.
MERGE INTO baselines AS known
USING (
    WITH poisoned AS (
        SELECT DISTINCT resource, unnest(range(
            date_trunc('minute', greatest(started_at, $hour)),
            least(
                coalesce(ended_at, updated_at), started_at + to_seconds($accept_s),
                $hour + INTERVAL 1 HOUR
            ) + INTERVAL 1 SECOND,
            INTERVAL 1 MINUTE
        )) AS ts
        FROM incidents
        WHERE
            NOT withdrawn AND detected_at IS NOT NULL AND kind <> 'self_inflicted'
            AND started_at < $hour + INTERVAL 1 HOUR
            AND coalesce(ended_at, updated_at) >= $hour
    ),
    rows AS NOT MATERIALIZED (
        SELECT *
        FROM usage_1m
        ANTI JOIN poisoned USING (resource, ts)
        WHERE ts >= $hour AND ts < $hour + INTERVAL 1 HOUR
    ),
    minutes AS (
        SELECT
            tenant, resource, family, ts, max(window_s) AS window_s,
            offered(sum(busy_us), sum(arrived), sum("count")) / max(window_s) AS load,
            count(busy_us) > 0 AS measured
        FROM rows
        GROUP BY ALL
    ),
    watched AS (
        SELECT resource, family, count(DISTINCT ts) AS minutes
        FROM minutes
        GROUP BY ALL
    ),
    loads AS (
        -- A minute without a row is a minute without load.
        SELECT
            tenant, resource, family, count(*) AS samples, bool_or(measured) AS measured,
            greatest(
                CASE WHEN 2 * count(*) >= any_value(watched.minutes) THEN median(load) ELSE 0 END,
                0.5 * sum(load) / any_value(watched.minutes)
            ) AS load
        FROM minutes
        INNER JOIN watched USING (resource, family)
        GROUP BY tenant, resource, family
    ),
    buckets AS (
        SELECT
            tenant, resource, family, bounds,
            sum(COLUMNS('^(latency_sum_us|count|b[0-9]{2})$'))::DOUBLE AS '\1'
        FROM rows
        GROUP BY tenant, resource, family, bounds
    ),
    logs AS (
        SELECT
            tenant, resource, family, bounds, latency_sum_us, "count",
            list_transform([
                b00, b01, b02, b03, b04, b05, b06, b07, b08, b09, b10, b11, b12, b13, b14, b15,
                b16, b17, b18, b19, b20, b21, b22, b23, b24, b25, b26, b27, b28, b29, b30, b31
            ], lambda b: coalesce(b, 0.0)) AS counts
        FROM buckets
    ),
    felts AS (
        SELECT
            tenant, resource, family,
            coalesce(
                sum(list_dot_product(counts, $middles[bounds + 1]))
                / nullif(sum(list_sum(counts)) FILTER (bounds IS NOT NULL), 0),
                ln(nullif(sum(latency_sum_us) / 1e6 / nullif(sum("count"), 0), 0))
            ) AS felt
        FROM logs
        GROUP BY tenant, resource, family
    )
    SELECT loads.*, ln(load) AS log_load, felt
    FROM loads
    INNER JOIN felts USING (tenant, resource, family)
    WHERE load > 0
) AS fresh
ON
    known.how = $how AND known.tenant = fresh.tenant AND known.resource = fresh.resource
    AND known.family = fresh.family
WHEN MATCHED AND known.learned_at < $hour THEN UPDATE SET
    load = known.load + CASE
        WHEN known.weeks < 2 THEN fresh.log_load - known.load
        ELSE greatest(
            -2 * known.load_spread, least(2 * known.load_spread, fresh.log_load - known.load)
        )
    END / least(known.weeks + 1, $memory),
    load_spread = known.load_spread + (
        least(1.25 * abs(fresh.log_load - known.load), 3 * known.load_spread) - known.load_spread
    ) / least(known.weeks + 1, $memory),
    felt = coalesce(
        known.felt + CASE
            WHEN known.weeks < 2 THEN fresh.felt - known.felt
            ELSE greatest(
                -2 * known.felt_spread, least(2 * known.felt_spread, fresh.felt - known.felt)
            )
        END / least(known.weeks + 1, $memory),
        known.felt,
        fresh.felt
    ),
    felt_spread = coalesce(
        known.felt_spread + (
            least(1.25 * abs(fresh.felt - known.felt), 3 * known.felt_spread) - known.felt_spread
        ) / least(known.weeks + 1, $memory),
        known.felt_spread
    ),
    measured = fresh.measured,
    weeks = known.weeks + 1,
    samples = known.samples + fresh.samples,
    learned_at = $hour
WHEN NOT MATCHED THEN INSERT VALUES (
    fresh.tenant, fresh.resource, fresh.family, $how, fresh.measured,
    fresh.log_load, $spread, fresh.felt, $spread, 1, fresh.samples, $hour
);

-- name: baselines_of_hour
-- Families add up, as in the detector's windows; centres as numbers, spreads of logarithms.
SELECT
    resource, tenant, min(weeks) AS weeks,
    CASE WHEN bool_and(measured) THEN sum(exp(load)) END AS demand,
    sum(load_spread * exp(load)) / sum(exp(load)) AS demand_spread,
    sum(felt * exp(load)) FILTER (felt IS NOT NULL)
    / sum(exp(load)) FILTER (felt IS NOT NULL) AS felt,
    max(felt_spread) AS felt_spread
FROM baselines
WHERE how = $how AND weeks >= $least
GROUP BY resource, tenant;
