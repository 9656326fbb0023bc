-- Capital over pods, a row for each pod and allocation (spec 6, seed 000 "E6").

CREATE TABLE IF NOT EXISTS allocation_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    position UInt32,
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    pod LowCardinality(String),
    policy LowCardinality(String),
    label LowCardinality(String),
    trigger LowCardinality(String),
    state LowCardinality(String) COMMENT 'of the lifecycle; empty where it is off, or the policy was not asked',
    before Float64 COMMENT 'share of portfolio capital before this allocation',
    raw Nullable(Float64) COMMENT 'what the policy wanted; null where the regime alone changed',
    clamped Nullable(Float64) COMMENT 'after the lifecycle clamp',
    bounded Nullable(Float64) COMMENT 'after the bounds',
    limited Nullable(Float64) COMMENT 'after the turnover limit',
    fraction Float64 COMMENT 'in force: after governor and regime',
    regime_label LowCardinality(String),
    regime_multiplier Float64,
    leverage_used Float64 COMMENT 'sum of absolute weights at pod capital',
    leverage_limit Float64,
    equity Float64 COMMENT 'of the pod book that began at 1.0'
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence, position);

CREATE OR REPLACE VIEW allocations AS SELECT * FROM allocation_rows FINAL;

CREATE OR REPLACE VIEW leverage_usage AS
SELECT portfolio, pod, sum(abs(weight)) AS leverage_used, max(changed_at) AS changed_at
FROM
(
    SELECT portfolio, pod, symbol, argMax(weight, sequence) AS weight, max(cycle) AS changed_at
    FROM target_rows FINAL
    GROUP BY portfolio, pod, symbol
)
GROUP BY portfolio, pod;

CREATE OR REPLACE VIEW capital_drift AS
SELECT
    portfolio,
    pod,
    fraction AS target,
    if(total > 0, grown / total * allocated, fraction) AS current,
    if(total > 0, grown / total * allocated, fraction) - fraction AS drift
FROM
(
    SELECT
        a.portfolio AS portfolio,
        a.pod AS pod,
        a.fraction AS fraction,
        if(a.equity > 0, a.fraction * m.equity / a.equity, 0) AS grown,
        sum(grown) OVER (PARTITION BY a.portfolio) AS total,
        sum(a.fraction) OVER (PARTITION BY a.portfolio) AS allocated
    FROM
    (
        SELECT portfolio, pod, argMax(fraction, sequence) AS fraction, argMax(equity, sequence) AS equity
        FROM allocation_rows FINAL
        GROUP BY portfolio, pod
    ) AS a
    INNER JOIN
    (
        SELECT portfolio, pod, argMax(equity, sequence) AS equity FROM pod_metric_rows FINAL GROUP BY portfolio, pod
    ) AS m ON m.portfolio = a.portfolio AND m.pod = a.pod
);
