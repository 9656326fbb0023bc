-- What users read: every decision once, however often it was written.

CREATE OR REPLACE VIEW decisions AS SELECT * FROM decision_rows FINAL;

CREATE OR REPLACE VIEW intents AS SELECT * FROM intent_rows FINAL;

CREATE OR REPLACE VIEW targets AS SELECT * FROM target_rows FINAL;

CREATE OR REPLACE VIEW clips AS SELECT * FROM clip_rows FINAL;

CREATE OR REPLACE VIEW orders AS SELECT * FROM order_rows FINAL;

CREATE OR REPLACE VIEW fills AS SELECT * FROM fill_rows FINAL;

CREATE OR REPLACE VIEW cancels AS SELECT * FROM cancel_rows FINAL;

CREATE OR REPLACE VIEW transitions AS SELECT * FROM transition_rows FINAL;

CREATE OR REPLACE VIEW pod_metrics AS SELECT * FROM pod_metric_rows FINAL;

CREATE OR REPLACE VIEW rejected_records AS SELECT * FROM rejected_record_rows FINAL;

CREATE OR REPLACE VIEW equity_curve AS
SELECT
    portfolio,
    sequence,
    cycle,
    equity,
    gross_exposure / equity AS gross_exposure_ratio,
    net_exposure / equity AS net_exposure_ratio,
    1 - equity / greatest(max(equity) OVER (PARTITION BY portfolio ORDER BY sequence), 1e-9) AS drawdown
FROM decision_rows FINAL;

CREATE OR REPLACE VIEW clip_counts AS
SELECT portfolio, reason, count() AS clips, uniqExact(symbol) AS symbols, min(cycle) AS first_cycle, max(cycle) AS last_cycle
FROM clip_rows FINAL
GROUP BY portfolio, reason;

CREATE OR REPLACE VIEW order_fills AS
SELECT
    o.portfolio AS portfolio,
    o.client_order_id AS client_order_id,
    o.order_sequence AS order_sequence,
    o.symbol AS symbol,
    o.cycle AS ordered_at,
    o.quantity AS quantity,
    o.reference_price AS reference_price,
    f.cycle AS filled_at,
    f.quantity AS filled_quantity,
    f.price AS fill_price,
    f.fee AS fee
FROM orders AS o
LEFT JOIN fills AS f ON f.portfolio = o.portfolio AND f.client_order_id = o.client_order_id
SETTINGS join_use_nulls = 1;
