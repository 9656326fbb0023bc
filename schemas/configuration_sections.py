"""Sections of ``docs/configuration.md`` in their order."""

from __future__ import annotations

from typing import Final

from schemas.operator_meanings import OPERATOR_SECTIONS
from schemas.policy_meanings import POLICY_SECTIONS

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
    ("Shadow", "`shadow`", "A candidate beside the live configuration; it emits no orders and changes no decision."),
    ("PaperVenueService", "`paper_venue`", "How `weir paper-execution` trades."),
    ("VenueFaults", "`paper_venue.faults`", "What goes wrong there, as shares of all cases, drawn from the seed."),
)
