-- Decisions and their child tables (design, "ClickHouse").
--
-- Tables end in _rows and may hold a row twice until ClickHouse merges: read the views of 0002. Every key begins with
-- (portfolio, sequence), so that writing a decision again replaces it. Times are event time, UTC ns.

CREATE TABLE IF NOT EXISTS decision_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    decision_id String CODEC(ZSTD(1)),
    previous String CODEC(ZSTD(1)) COMMENT 'hash of the previous body; 64 zeros before the first',
    hash String CODEC(ZSTD(1)) COMMENT 'SHA-256 (hex) of body',
    config_hash LowCardinality(String),
    code_version LowCardinality(String),
    key_id LowCardinality(String),
    signature String CODEC(ZSTD(1)),
    traceparent String CODEC(ZSTD(1)),
    trading_state LowCardinality(String),
    heartbeat Bool,
    equity Float64 COMMENT 'base currency',
    cash Float64 COMMENT 'base currency',
    gross_exposure Float64 COMMENT 'base currency',
    net_exposure Float64 COMMENT 'base currency',
    inputs Array(Tuple(topic String, partition Int32, first_offset Int64, last_offset Int64)) CODEC(ZSTD(1)),
    capital String CODEC(ZSTD(1)) COMMENT 'JSON, empty where capital was not computed anew',
    commands Array(String) CODEC(ZSTD(1)) COMMENT 'JSON objects',
    events Array(String) CODEC(ZSTD(1)) COMMENT 'JSON objects',
    intents UInt32,
    targets UInt32,
    clips UInt32,
    orders UInt32,
    fills UInt32,
    cancels UInt32,
    transitions UInt32,
    body String COMMENT 'the canonical bytes, verbatim'
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence);

CREATE TABLE IF NOT EXISTS intent_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    position UInt32,
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    pod LowCardinality(String),
    schedule LowCardinality(String),
    symbol LowCardinality(String),
    direction LowCardinality(String),
    value Float64 COMMENT 'as the strategy said it: strength or notional',
    confidence Float64,
    weight Float64 COMMENT 'signed exposure / pod capital, before netting',
    target_notional Float64 COMMENT 'base currency',
    price Float64,
    features Array(Nullable(Float64)) CODEC(ZSTD(1)),
    feature_snapshot_hash String CODEC(ZSTD(1)),
    INDEX by_symbol symbol TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence, position);

CREATE TABLE IF NOT EXISTS target_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    position UInt32,
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    pod LowCardinality(String),
    symbol LowCardinality(String),
    gross Float64,
    net Float64 COMMENT 'pod weight after netting',
    weight Float64 COMMENT 'pod weight after the leverage layers',
    fraction Float64 COMMENT 'share of portfolio capital',
    units Float64,
    conflict Bool,
    INDEX by_symbol symbol TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence, position);

CREATE TABLE IF NOT EXISTS clip_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    position UInt32 COMMENT 'the order in which clips were made',
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    pod LowCardinality(String) COMMENT 'empty at portfolio level',
    symbol LowCardinality(String),
    reason LowCardinality(String),
    unit LowCardinality(String),
    before Float64,
    after Float64
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence, position);

CREATE TABLE IF NOT EXISTS order_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'of the decision',
    position UInt32,
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    order_sequence UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'of the order, without gaps per portfolio',
    client_order_id String CODEC(ZSTD(1)),
    symbol LowCardinality(String),
    quantity Float64 COMMENT 'units',
    reference_price Float64,
    position_before Float64 COMMENT 'units',
    pending_before Float64 COMMENT 'units',
    approved Float64 COMMENT 'target in units after every guard',
    INDEX by_client_order_id client_order_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence, position);

CREATE TABLE IF NOT EXISTS fill_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    position UInt32,
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    client_order_id String CODEC(ZSTD(1)) COMMENT 'empty where pods traded among each other',
    execution_id String CODEC(ZSTD(1)) COMMENT 'of the venue; empty where the portfolio filled its own order',
    symbol LowCardinality(String),
    quantity Float64 COMMENT 'signed units',
    price Float64,
    fee Float64 COMMENT 'base currency',
    pods Array(LowCardinality(String)),
    shares Array(Float64),
    INDEX by_client_order_id client_order_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence, position);

CREATE TABLE IF NOT EXISTS cancel_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    position UInt32,
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    order_sequence UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'of the cancel; orders and cancels share one sequence',
    client_order_id String CODEC(ZSTD(1)) COMMENT 'of the order that is taken back',
    symbol LowCardinality(String),
    reason LowCardinality(String),
    INDEX by_client_order_id client_order_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence, position);

CREATE TABLE IF NOT EXISTS transition_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    position UInt32,
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    subject LowCardinality(String),
    before LowCardinality(String),
    after LowCardinality(String),
    reason LowCardinality(String),
    body String CODEC(ZSTD(1)) COMMENT 'the whole transition with its evidence, JSON'
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence, position);

CREATE TABLE IF NOT EXISTS pod_metric_rows
(
    portfolio LowCardinality(String),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    position UInt32,
    cycle DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    pod LowCardinality(String),
    equity Float64 CODEC(ZSTD(1)) COMMENT 'of the pod book that began at 1.0',
    fraction Float64 CODEC(ZSTD(1)) COMMENT 'share of portfolio capital',
    realised Float64 CODEC(ZSTD(1)) COMMENT 'profit taken so far at average cost, base currency, before fees',
    unrealised Float64 CODEC(ZSTD(1)) COMMENT 'base currency',
    fees Float64 CODEC(ZSTD(1)) COMMENT 'paid so far, base currency'
)
ENGINE = ReplacingMergeTree
ORDER BY (portfolio, sequence, position);

CREATE TABLE IF NOT EXISTS rejected_record_rows
(
    topic LowCardinality(String),
    partition Int32,
    offset Int64,
    error String,
    payload String CODEC(ZSTD(1)) COMMENT 'the bytes as read'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset);
