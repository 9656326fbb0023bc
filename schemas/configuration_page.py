"""Generates ``docs/configuration.md``: every key with its values, default, unit and meaning.

Keys, values and defaults are taken from the pydantic models; units and meanings stand in :data:`MEANINGS`, and a key
without one is an error, so that the page is whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from schemas.configuration import Configuration
from schemas.configuration.document import UNHASHED

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"

#: Sections in the order of the page: model name, where it stands in the document, what it is for.
SECTIONS: Final = (
    ("Configuration", "Top level", "The whole document."),
    ("Time", "`time`", "How the log moves time; see [architecture](architecture.md#time)."),
    ("Topics", "`topics`", "Which inputs exist. A topic that is not configured counts as closed."),
    ("MarketTopic", "`topics.market`", "Bars, quotes and trades, keyed by symbol. A partition is a key group."),
    ("SideTopic", "`topics.control`, `.signals`, `.fills`, `.overlay`", "Write `{}` for one partition."),
    ("Instrument", "`instruments[]`", "Reference data of one symbol."),
    ("Calendar", "`calendars.<name>`", "When bars are expected. `always` and `weekdays` are built in."),
    ("Session", "`calendars.<name>.sessions[]`", "A weekly window; a bar that closes in (start, end] is expected."),
    ("Portfolio", "`portfolios[]`", "One account: its pods, capital policy, limits and execution."),
    ("Pod", "`portfolios[].pods[]`", "A strategy book with its own capital of 1.0."),
    ("Schedule", "`portfolios[].pods[].schedules[]`", "One strategy version bound to symbols and parameters."),
    ("EqualWeight", "`portfolios[].capital`, name `equal_weight`", "Every pod gets 1/n."),
    ("FixedWeight", "`portfolios[].capital`, name `fixed_weight`", "What the weights leave stays cash."),
    ("InverseVolatility", "`portfolios[].capital`, name `inverse_volatility`", "1/volatility of daily returns."),
    ("Rebalance", "`portfolios[].rebalance`", "When capital fractions are computed anew."),
    ("Guards", "`portfolios[].guards`", "Limits of the risk gate; null switches one off."),
    (
        "InternalPaper",
        "`portfolios[].execution`, mode `internal_paper`",
        "Orders are filled at the open of the symbol's next fresh bar.",
    ),
    ("PaperVenue", "`portfolios[].execution`, mode `paper_venue`", "`weir paper-execution` fills the orders on Kafka."),
    ("Live", "`portfolios[].execution`, mode `live`", "An execution service trades for real; it reports on `fills`."),
    ("Quality", "`quality`", "The batch quality gate over each symbol's last messages: over a limit, no new risk."),
    ("Circuit", "`circuit`", "The circuit breaker of every schedule."),
    ("Kafka", "`kafka`", "The cluster, and how it is read."),
    ("ClickHouse", "`clickhouse`", "Where `weir copy-decisions` writes; a replay embeds its own."),
    ("Runtime", "`runtime`", "How the job runs."),
    ("Telemetry", "`telemetry`", "Names in metrics and traces."),
    ("PaperVenueService", "`paper_venue`", "How `weir paper-execution` trades."),
    ("VenueFaults", "`paper_venue.faults`", "What goes wrong there, as shares of all cases, drawn from the seed."),
)

_HEAD: Final = ("| Key | Values | Default | Unit | Meaning |", "|---|---|---|---|---|")

#: Unit and meaning of every key, by model and key.
MEANINGS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Configuration": {
        "version": ("", "Version of the document's layout."),
        "name": ("", "Name of the configuration, for people."),
        "time": ("", "Below."),
        "topics": ("", "Below."),
        "instruments": ("", "A list, or `from_dump`: taken from the dump that is replayed. A live run needs the list."),
        "calendars": ("", "Session calendars by name."),
        "portfolios": ("", "At least one."),
        "quality": ("", "Below."),
        "circuit": ("", "Below."),
        "kafka": ("", "Below."),
        "clickhouse": ("", "Below."),
        "runtime": ("", "Below."),
        "telemetry": ("", "Below."),
        "paper_venue": ("", "Below."),
    },
    "Time": {
        "cycle_seconds": ("s", "Length of a cycle: the bar interval, or 1 for quotes. `from_dump`: the dump's."),
        "allowed_lateness_seconds": ("s", "How much later than another message of its partition a bar may come."),
        "side_lag_seconds": ("s", "Event time from a side message to the first cycle that it can affect."),
        "max_future_seconds": ("s", "An event time further ahead of its record timestamp is a dead letter."),
        "max_jump_seconds": ("s", "An event time that jumps further is held until something confirms it."),
        "jump_confirmations": ("messages", "A held jump that so many messages do not confirm is a dead letter."),
    },
    "Topics": {
        "market": ("", "Always there."),
        "control": ("", "Commands: kill, arm, trading_state, force_rebalance, quarantine. Live runs should have one."),
        "signals": ("", "Views of outside models. Checked and dead-lettered; no shipped strategy reads them yet."),
        "fills": ("", "Execution reports. Must not be set with `internal_paper`, the one execution mode so far."),
        "overlay": ("", "HRP, CVaR and regime updates. Checked and dead-lettered; nothing acts on them yet."),
    },
    "MarketTopic": {
        "partitions": ("", "Partition count of the topic; `from_dump`: as many as the dump has."),
        "partitioner": ("", "Symbol to partition: `murmur2` (Java), `consistent` (librdkafka's CRC32), `explicit`."),
        "partition_of": ("", "With `explicit`: the partition of every symbol."),
        "close_on": (
            "",
            "`completeness`: with the last expected final bar, or by watermark. `watermark`: by that alone.",
        ),
        "max_payload_bytes": ("bytes", "A larger message, of any topic, is a dead letter."),
    },
    "SideTopic": {"partitions": ("", "Partition count of the topic.")},
    "Instrument": {
        "symbol": ("", "Its name in messages; the key of the market topic."),
        "venue": ("", "Copied to orders."),
        "asset_class": ("", "Kept for sector and class caps; nothing reads it yet."),
        "sector": ("", "As `asset_class`."),
        "cluster": ("", "As `asset_class`."),
        "currency": ("", "Currency of its prices; empty is the portfolio's base currency."),
        "contract_multiplier": ("", "Notional of one unit = price x multiplier."),
        "tick": ("price", "Price step; limit prices are rounded to it."),
        "lot": ("units", "Quantity step; orders are whole lots."),
        "min_notional": ("base currency", "A smaller order is not sent."),
        "fee_rate": ("of notional", "Fee of a side, for paper fills and pods' books."),
        "shortable": ("", "false: no position below zero."),
        "participation": ("", "false where the data has no volume; `weir import` writes it."),
        "calendar": ("", "Name of the session calendar."),
        "interval": ("", "Interval of its bars, such as `1h`; the shortest one in use is the default of schedules."),
        "listed_from": ("ns", "UTC close of the first bar that is expected."),
        "listed_until": ("ns", "UTC close of the last bar that is expected."),
    },
    "Calendar": {
        "sessions": ("", "Weekly windows."),
        "holidays": ("date", "UTC dates on which nothing is expected."),
    },
    "Session": {
        "start_minute": ("min", "UTC minutes since Monday 00:00."),
        "end_minute": ("min", "UTC minutes since Monday 00:00; after the start."),
    },
    "Portfolio": {
        "id": ("", "Key of decisions and orders."),
        "base_currency": ("", "Currency of equity and notionals. Unset: the one that a dump's instruments share."),
        "initial_equity": ("base currency", "Equity at the start."),
        "reference_capital": ("base currency", "Divides absolute notionals that a strategy answers with."),
        "pods": ("", "At least one."),
        "capital": ("", "The policy that weighs the pods."),
        "rebalance": ("", "Below."),
        "max_gross_leverage": ("of equity", "Leverage layer 3: the sum of absolute net weights."),
        "rebalance_band": ("of target", "Held units are computed anew when they drift further; 0: never."),
        "guards": ("", "Below."),
        "execution": ("", "Below."),
        "heartbeat_cycles": ("cycles", "A decision is written at every such border, whatever happens; 0: none."),
        "conversions": ("", "Currency to the symbol whose price is one unit of it in the base currency."),
    },
    "Pod": {
        "id": ("", "Unique in its portfolio."),
        "schedules": ("", "At least one."),
        "max_leverage": ("of pod capital", "Layer 1 caps a strength, layer 2 the pod's gross weight."),
        "asset_allocator": ("", "Each of the pod's n symbols gets 1/n."),
        "lifecycle": ("", "The only value so far: a pod keeps its first state."),
        "initial_state": ("", "First lifecycle state; without effect while `lifecycle` is off."),
        "slippage_bps": ("0.01 %", "Cost of a trade in the pod's own book, beside the instrument's fee."),
    },
    "Schedule": {
        "id": ("", "Unique in its portfolio; the name of the strategy instance."),
        "strategy": ("", "`type@version`, or an alias; see [strategies](strategies.md)."),
        "symbols": ("", "A list, or `*` for every instrument."),
        "parameters": ("", "The strategy's own; unknown ones are refused."),
        "interval": ("", "Bars that it sees, such as `15m`; unset: the shortest interval of any instrument."),
        "horizon": ("", "Schedules of one horizon that disagree are a conflict; unset: its interval."),
        "share": ("of pod capital", "Unset: all share alike. All or none of a pod's schedules have one."),
        "enabled": ("", "false takes the strategy out."),
        "warmup_bars": ("bars", "So many bars of a symbol emit nothing."),
        "risk_profile": ("", "A label; nothing reads it yet."),
        "execution_profile": ("", "A label; nothing reads it yet."),
        "tags": ("", "Labels; nothing reads them yet."),
        "on_silence": ("", "What becomes of its targets when its circuit opens or it is quarantined."),
    },
    "EqualWeight": {
        "name": ("", "Which policy."),
        "label": ("", "Written into the allocator's trace."),
        "rebalance_seconds": ("s", "Overrides `rebalance.interval_seconds`."),
    },
    "FixedWeight": {
        "name": ("", "Which policy."),
        "weights": ("of equity", "By pod id; their sum lies in (0, 1]. A pod without one gets 0."),
        "label": ("", "Written into the allocator's trace."),
        "rebalance_seconds": ("s", "Overrides `rebalance.interval_seconds`."),
    },
    "InverseVolatility": {
        "name": ("", "Which policy."),
        "lookback_days": ("days", "Daily returns of a pod's own book that the volatility is taken from."),
        "min_returns": ("days", "With fewer a pod's volatility is unknown: it gets 1/n."),
        "label": ("", "Written into the allocator's trace."),
        "rebalance_seconds": ("s", "Overrides `rebalance.interval_seconds`."),
    },
    "Rebalance": {
        "interval_seconds": ("s", "Event time between two regular rebalances."),
        "drift": ("of capital", "A rebalance comes early when a pod's share has moved further."),
        "skip_below": ("of capital", "A smaller total change of fractions is not made."),
    },
    "Guards": {
        "initial_state": ("", "Trading state at the start."),
        "max_position": ("units", "Absolute position of a symbol."),
        "max_symbol_notional": ("base currency", "Absolute notional of a symbol."),
        "max_gross_exposure": ("of equity", "Sum of absolute notionals, open orders included."),
        "max_price_age_seconds": ("s", "An older price lets only reductions pass."),
    },
    "InternalPaper": {
        "mode": ("", "The default; `topics.fills` must not be set."),
        "slippage_bps": ("0.01 %", "Worsens the price of a fill, per side."),
        "account": ("", "Copied to orders."),
        "order_type": ("", "`limit`: at the last close, rounded to the tick."),
        "time_in_force": ("", "Copied to orders."),
    },
    "PaperVenue": {
        "mode": ("", "`topics.fills` must be set."),
        "account": ("", "Copied to orders."),
        "order_timeout_seconds": ("s", "Event time without an answer after which an order is taken back."),
        "reject_backoff_seconds": ("s", "Event time without new orders in a symbol after a refusal."),
        "order_type": ("", "`limit`: at the last close, rounded to the tick."),
        "time_in_force": ("", "Copied to orders, and obeyed by the venue."),
    },
    "Live": {
        "mode": ("", "`topics.fills` must be set."),
        "account": ("", "Copied to orders; position reports of it are reconciled."),
        "live_trading": ("", "Must be true."),
        "acknowledgement": ("", "Must be `I know that these orders are real`."),
        "order_timeout_seconds": ("s", "Event time without an answer after which an order is taken back."),
        "reject_backoff_seconds": ("s", "Event time without new orders in a symbol after a refusal."),
        "order_type": ("", "`limit`: at the last close, rounded to the tick."),
        "time_in_force": ("", "Copied to orders."),
    },
    "Quality": {
        "window": ("messages", "How far back each symbol is judged."),
        "minimum": ("messages", "With fewer nothing is judged."),
        "null_rate": ("of messages", "Highest share that lack a required field."),
        "duplicate_rate": ("of messages", "Highest share of duplicates."),
        "non_monotonic_rate": ("of messages", "Highest share that go back in event time."),
        "schema_rate": ("of messages", "Highest share that do not match the schema."),
        "staleness_seconds": ("s", "Highest 95th percentile of record timestamp less event time."),
    },
    "Circuit": {
        "errors": ("errors", "So many in a row open the circuit."),
        "open_seconds": ("s", "Event time until one evaluation may try again."),
    },
    "Kafka": {
        "bootstrap_servers": ("", "`KAFKA_BOOTSTRAP_SERVERS` in the environment overrides it."),
        "cluster_id": ("", "Prefix of transactional ids; two clusters with one id fence each other."),
        "client": ("", "Passed on to librdkafka: SASL, TLS."),
        "topics": ("", "Broker name by role, such as `market: prod.bars`; unset: the role's name."),
        "tick_seconds": ("s", "Grid of the clock job's ticks."),
        "hold_cycles": ("cycles", "How far a partition may be read ahead of the slowest portfolio."),
        "poll_messages": ("messages", "Most records in one poll."),
    },
    "ClickHouse": {
        "dsn": ("", "A server, such as `clickhouse://user:password@host:8123`. Keep the file readable to Weir alone."),
        "path": ("", "A folder for the embedded engine; not both."),
        "database": ("", "Made when it does not exist."),
        "batch_rows": ("decisions", "Most decisions in one insert."),
    },
    "Runtime": {
        "recovery_directory": ("", "Folder for snapshots; a live run needs one (or `--recovery`)."),
        "epoch_seconds": ("s", "Time between snapshots."),
        "hang_seconds": ("s", "Wall time after which one evaluation of a strategy counts as hung."),
        "metrics_address": ("", "Where metrics are served."),
        "log_level": ("", "Least level that is logged."),
    },
    "PaperVenueService": {
        "seed": ("", "Of the faults."),
        "slippage_bps": ("0.01 %", "Worsens the price of a fill, per side."),
        "latency_cycles": ("bars", "Of the symbol, that pass before a new order may trade."),
        "participation": ("of volume", "What all orders of a portfolio may take of a bar; null is no limit."),
        "faults": ("", "Below."),
    },
    "VenueFaults": {
        "reject": ("of orders", "Refused."),
        "duplicate": ("of fills", "Told twice, with one execution id."),
        "late": ("of fills", "Told `late_answers` cycles later."),
        "late_answers": ("cycles", "How late."),
        "overfill": ("of orders", "Their last fill is a lot too much."),
        "unknown": ("of orders", "A fill of an order that nobody sent is told as well."),
        "disorder": ("of orders", "Reports of a cycle are told in reverse."),
        "silent": ("", "Orders in these symbols are never answered."),
    },
    "Telemetry": {"namespace": ("", "Name in metrics and traces.")},
}


def configuration_page() -> str:
    """The text of ``docs/configuration.md``; raises KeyError for a key that :data:`MEANINGS` does not explain."""
    document = Configuration.model_json_schema()
    models = {**document["$defs"], "Configuration": document}
    missing = sorted(set(models) - {name for name, _, _ in SECTIONS})
    if missing:
        raise KeyError(f"no section of the page for {', '.join(missing)}: enter it in SECTIONS")
    unhashed = ", ".join(f"`{name}`" for name in UNHASHED)
    parts = [
        "# Configuration",
        "",
        "Generated from the models in `schemas/configuration/` by `python -m schemas.configuration_page`: do not edit.",
        "",
        "One YAML (or JSON) document. Unknown keys, keys given twice and values out of range are errors; all of them",
        "are listed at once: `weir config check FILE`. `weir config show FILE` writes every default out.",
        f"`config_hash` covers every section but {unhashed}: those never touch a decision.",
        "A default of *required* means that the key must be given.",
    ]
    for name, place, purpose in SECTIONS:
        parts += ["", f"## {place}", "", purpose, "", *_HEAD]
        required = set(models[name].get("required", ()))
        for key, schema in models[name]["properties"].items():
            if key not in MEANINGS[name]:
                raise KeyError(f"{name}.{key} has no meaning: enter it in MEANINGS")
            unit, meaning = MEANINGS[name][key]
            default = "*required*" if key in required else _default(schema)
            parts.append(f"| `{key}` | {_values(schema)} | {default} | {unit} | {meaning} |")
    return "\n".join(parts) + "\n"


def _default(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    if isinstance(value, dict) and value:
        return "see there"
    return f"`{json.dumps(value)}`"


def _values(schema: dict[str, Any]) -> str:
    """A schema in words: alternatives joined by "or"."""
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return " or ".join(_values(one) for one in alternatives)
    if "$ref" in schema:
        return "section"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_values(schema['items'])}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"map to {_values(inner)}" if isinstance(inner, dict) else "map"
    return {"string": "text", "boolean": "true, false"}.get(kind, kind) + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    words = [
        f"{sign} {schema[name]:g}"
        for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if name in schema
    ]
    return f" {', '.join(words)}" if words else ""


def write_configuration_page(path: Path = PAGE) -> Path:
    """Writes the page."""
    path.write_text(configuration_page(), encoding="utf-8")
    return path


if __name__ == "__main__":
    write_configuration_page()
