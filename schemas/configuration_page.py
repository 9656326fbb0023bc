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
from schemas.operator_meanings import OPERATOR_MEANINGS, OPERATOR_SECTIONS
from schemas.policy_meanings import POLICY_MEANINGS, POLICY_SECTIONS

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
    ("AssetSelector", "`portfolios[].pods[].selector`", "Which assets may take risk; see [pods](pods.md)."),
    ("AssetAllocator", "`portfolios[].pods[].asset_allocator`", "How a pod's capital is weighed over its assets."),
    (
        "Lifecycle",
        "`portfolios[].pods[].lifecycle`",
        "When a pod is promoted and cut; see [pods](pods.md).",
    ),
    (
        "PageHinkley",
        "`portfolios[].pods[].lifecycle.page_hinkley`",
        "The drift detector, on standardised returns.",
    ),
    ("Schedule", "`portfolios[].pods[].schedules[]`", "One strategy version bound to symbols and parameters."),
    ("TimeWindow", "`portfolios[].pods[].schedules[].window`", "Outside of it only reductions pass."),
    ("InitialSuspension", "`portfolios[].initial_suspensions[]`", "What begins suspended: only reductions pass."),
    ("InitialSignalLimit", "`portfolios[].initial_signal_limits[]`", "Overrides of `max_signals` from the start."),
    *OPERATOR_SECTIONS,
    *POLICY_SECTIONS,
    ("Rebalance", "`portfolios[].rebalance`", "When capital fractions are computed anew."),
    ("CapitalLimits", "`portfolios[].capital_limits`", "The steps from a policy's raw weights to the fractions."),
    ("LifecycleClamps", "`portfolios[].capital_limits.lifecycle`", "Act on pods whose lifecycle is not off."),
    ("FractionBounds", "`portfolios[].capital_limits.bounds`, `.pods.<pod>`", "The least and the most of a pod."),
    ("Turnover", "`portfolios[].capital_limits.turnover`", "How far one rebalance may move capital; null: no limit."),
    ("Regime", "`portfolios[].regime`", "What regime updates of the overlay topic do; null: nothing."),
    ("FragilityStates", "`portfolios[].regime.fragility`", "Room in each state; a worse one leaves no more."),
    ("Fragility", "`portfolios[].regime.fragility.<state>`", "Defaults: see [capital](capital.md#regime)."),
    ("Envelope", "`portfolios[].pods[].envelopes.<symbol>`", "Caps on the position that a pod may hold in a symbol."),
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
        "capabilities": ("", "Which strategies may run here, by type or by the capability they name; `*`: all."),
        "operators": ("", "Below."),
        "allow_partial_start": ("", "true: a schedule whose strategy cannot be loaded is left out, with a warning."),
        "kafka": ("", "Below."),
        "clickhouse": ("", "Below."),
        "runtime": ("", "Below."),
        "telemetry": ("", "Below."),
        "paper_venue": ("", "Below."),
        "notifications": ("", "Below."),
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
        "control": ("", "Operators' commands, and quarantines. Live runs should have one."),
        "signals": ("", "Views of outside models, for `external_signal`."),
        "fills": ("", "Execution reports. Must not be set with `internal_paper`, the one execution mode so far."),
        "overlay": (
            "",
            "Regime updates act where `regime` is set; HRP and CVaR updates are checked, nothing acts on them yet.",
        ),
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
        "capital": ("", "The policy that weighs the pods: its name, or a section; see [capital](capital.md)."),
        "rebalance": ("", "Below."),
        "capital_limits": ("", "Below."),
        "regime": ("", "Below; needs `topics.overlay`."),
        "periods_per_year": ("days", "Daily returns that make a year: 365, or 252 where markets close."),
        "max_gross_leverage": ("of equity", "Leverage layer 3: the sum of absolute net weights."),
        "rebalance_band": ("of target", "Held units are computed anew when they drift further; 0: never."),
        "guards": ("", "Below."),
        "execution": ("", "Below."),
        "initial_suspensions": ("", "In force before the first cycle."),
        "initial_signal_limits": ("", "In force before the first cycle."),
        "heartbeat_cycles": ("cycles", "A decision is written at every such border, whatever happens; 0: none."),
        "conversions": ("", "Currency to the symbol whose price is one unit of it in the base currency."),
    },
    "Pod": {
        "id": ("", "Unique in its portfolio."),
        "schedules": ("", "At least one."),
        "max_leverage": ("of pod capital", "Layer 1 caps a strength, layer 2 the pod's gross weight."),
        "selector": ("", "`off`, `on` (every default), or a section."),
        "asset_allocator": ("", "A method's name, or a section. `equal`: each of the pod's n symbols gets 1/n."),
        "lifecycle": ("", "`off` keeps the first state and clamps nothing; `on` (every default), or a section."),
        "initial_state": ("", "First lifecycle state; without effect while `lifecycle` is off."),
        "slippage_bps": ("0.01 %", "Cost of a trade in the pod's own book, beside the instrument's fee."),
        "volatility_target": ("a year", "What the policy `volatility_target` measures the pod by."),
        "tags": ("", "For `tag_quota`, the primary one first; tags of its schedules follow."),
        "envelopes": ("", "By symbol; `*` stands for all that have none of their own."),
    },
    "AssetSelector": {
        "low_score": ("0..1", "A score below it is low."),
        "low_bars": ("bars", "So many low bars in a row: UNDERPERFORMING."),
        "good_score": ("0..1", "A score above it is good."),
        "good_bars": ("bars", "So many good bars in a row: RE_ENTRY."),
        "ramp_steps": ("bars", "Steps of the multiplier from 1 to 0 and back."),
        "cooldown_bars": ("bars", "Least length of a COOLDOWN."),
        "hard_sharpe": ("", "Below it, and `hard_drawdown` passed too: COOLDOWN at once."),
        "hard_drawdown": ("of value", "See `hard_sharpe`."),
        "absolute_min_sharpe": ("", "Below it: COOLDOWN at once, whatever the peers do; null is off."),
        "absolute_max_drawdown": ("of value", "Above it: COOLDOWN at once, whatever the peers do; null is off."),
        "max_cooldown_cycles": ("", "So many cooldowns exclude the asset for good; null: never."),
        "sharpe_bars": ("bars", "Window of the Sharpe ratio."),
        "return_bars": ("bars", "Window of the return."),
        "drawdown_bars": ("bars", "Window of the drawdown."),
        "min_bars": ("bars", "With fewer returns an asset is unknown and scores 0.5."),
        "bars_per_year": ("bars", "Annualises the Sharpe ratio; null: `periods_per_year` x a day / the interval."),
    },
    "AssetAllocator": {
        "method": ("", "What weights follow."),
        "every_bars": ("bars", "Bars of the pod between two allocations."),
        "lookback_bars": ("bars", "Returns of an asset that its volatility is taken from."),
        "min_bars": ("bars", "With fewer an asset's volatility is unknown: it gets 1/n."),
        "min_weight": ("of pod capital", "Least weight of an asset."),
        "max_weight": ("of pod capital", "Largest weight of an asset."),
    },
    "Lifecycle": {
        "min_live_days": ("days", "INCUBATION to PRODUCTION: least time since the first cycle."),
        "min_sharpe": ("", "INCUBATION or PROBATION to PRODUCTION: least Sharpe ratio."),
        "max_drawdown": ("of value", "INCUBATION to PRODUCTION: largest drawdown."),
        "min_trades": ("", "INCUBATION to PRODUCTION: positions that the book opened."),
        "min_calmar": ("", "INCUBATION to PRODUCTION: least Calmar ratio."),
        "max_correlation": ("", "INCUBATION to PRODUCTION: largest correlation to the other pods' books."),
        "correlation_days": ("days", "Last days that the correlation is taken from."),
        "min_correlation_days": ("days", "With fewer in common the correlation is skipped."),
        "backtest_sharpe": ("", "What a backtest promised; null skips the gap."),
        "max_backtest_gap": ("of it", "INCUBATION to PRODUCTION: how far the live ratio may fall short."),
        "max_incubation_days": ("days", "INCUBATION to RETIRED."),
        "calibration_days": ("returns", "Least number behind the deviation that standardises returns."),
        "floor_sharpe": ("", "PRODUCTION to WARNING: rolling_sharpe_30d below it for `floor_days`."),
        "floor_days": ("days", "See `floor_sharpe`."),
        "min_warning_days": ("days", "WARNING to PRODUCTION: least time."),
        "max_warning_days": ("days", "WARNING to PROBATION."),
        "max_probation_days": ("days", "PROBATION to RETIRED."),
        "retire_drawdown": ("of value", "Any state to RETIRED: lifetime drawdown."),
        "retire_losing_blocks": ("blocks", "Any state to RETIRED: losing 30-day blocks in a row."),
        "page_hinkley": ("", "Below."),
    },
    "PageHinkley": {
        "delta": ("deviations", "What a return may lie below the mean without counting."),
        "threshold": ("deviations", "Above it the detector fires: PRODUCTION to WARNING."),
        "rest": ("of threshold", "Below it the detector is at rest."),
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
        "cadence_seconds": ("s", "It acts on the first bar at or after each multiple; unset: on every bar."),
        "max_drift_seconds": ("s", "A bar that comes later than this after it was due is a warning; unset: none."),
        "max_signals": ("signals", "Most entries and increases in one cycle, the most confident first; unset: all."),
        "window": ("", "Hours in which it may take new risk; unset: always."),
        "priority": ("", "Higher ones are served first where order matters."),
        "risk_profile": (
            "",
            "For `risk_profile`, `fixed_weight`, signal limits; a pod has its first schedule's.",
        ),
        "execution_profile": ("", "A label; nothing reads it yet."),
        "tags": ("", "By which schedules are suspended together; for `tag_quota`, after the pod's own."),
        "on_silence": ("", "What becomes of its targets when its circuit opens or it is quarantined."),
    },
    "TimeWindow": {
        "start": ("UTC", "Such as `08:00`."),
        "end": ("UTC", "Not included; before the start: on the next day."),
        "days": ("", "On which a window begins."),
    },
    "InitialSuspension": {
        "schedule": ("", "A schedule's id, or else:"),
        "tag": ("", "every schedule with this tag. A schedule's own record wins over its tags."),
        "reason": ("", "Journalled."),
        "until": ("time", "ISO 8601 with a zone, event time; wins over the duration."),
        "duration_seconds": ("s", "Event time from the first cycle on; unset, 0 or less: until it is resumed."),
    },
    "InitialSignalLimit": {
        "strategy": ("", "A strategy's type."),
        "risk_profile": ("", "The schedules' risk profile."),
        "limit": ("signals", "In the place of `max_signals`."),
        "reason": ("", "Journalled."),
        "until": ("time", "As for suspensions."),
        "duration_seconds": ("s", "As for suspensions; unset, 0 or less: until it is cleared."),
    },
    **POLICY_MEANINGS,
    **OPERATOR_MEANINGS,
    "Rebalance": {
        "interval_seconds": ("s", "Event time between two regular rebalances."),
        "drift": ("of capital", "A rebalance comes early when a pod's share has moved further."),
        "skip_below": ("of capital", "A smaller total change of fractions is not made."),
    },
    "CapitalLimits": {
        "lifecycle": ("", "Below."),
        "bounds": ("", "Of every pod that has none of its own."),
        "pods": ("", "Bounds by pod id."),
        "turnover": ("", "Below."),
        "risk_defense_bypass_turnover": ("", "Governor and regime act at once, whatever the turnover limit says."),
        "target_volatility": ("a year", "The governor scales all fractions down to it, never up; null: off."),
    },
    "LifecycleClamps": {
        "incubation_max": ("of equity", "INCUBATION: at most this."),
        "production_min": ("of equity", "PRODUCTION: at least this."),
        "production_max": ("of equity", "PRODUCTION: at most this."),
        "warning_factor": ("", "WARNING: times this."),
        "probation_max": ("of equity", "PROBATION: at most this. A RETIRED pod gets 0."),
    },
    "FractionBounds": {"min": ("of equity", "At least this."), "max": ("of equity", "At most this.")},
    "Turnover": {
        "per_pod": ("of equity", "Largest move of a pod."),
        "total": ("of equity", "Largest half sum of all moves; beyond it all shrink in proportion."),
    },
    "Regime": {
        "multipliers": ("", "Factor of all fractions by regime label, within 0..2."),
        "default": ("", "Factor for a label that is not listed, and before the first update."),
        "min_posterior": ("", "A less certain label counts for less."),
        "low_posterior_factor": ("", "By this factor."),
        "max_age_seconds": ("s", "An older update says nothing good any more; null: never too old."),
        "fragility": ("", "Below."),
    },
    "FragilityStates": {
        "normal": ("", "Below."),
        "elevated": ("", "Also when the state is not told, or not known."),
        "stress": ("", "Below."),
        "crisis": ("", "Only reductions pass."),
    },
    "Fragility": {
        "budget": ("", "Factor of `max_gross_leverage`, over all symbols of a cycle."),
        "capacity": ("", "Factor of envelopes and of the guards' caps per symbol."),
        "participation": ("of volume", "Kept for the participation guard."),
    },
    "Envelope": {
        "max_size": ("units", "A target is cut to it."),
        "max_notional": ("base currency", "A target is cut to it when it is computed."),
        "soft_limit": ("base currency", "A position past it is told of, not cut."),
        "hard_limit": (
            "base currency",
            "A position past it is cut back at once, also when the price carried it there.",
        ),
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
        "command_token_sha256": ("", "Commands need a `CORE_SCHEDULER_TOKEN` with this SHA-256 (hex); null: none."),
        "log_level": ("", "Least level that is logged."),
    },
    "Telemetry": {
        "namespace": ("", "Name in metrics and traces."),
        "interval_seconds": ("s", "Wall time between two reports of every schedule in the log of a live run."),
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
        return " or ".join(dict.fromkeys(_values(one) for one in alternatives))
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
