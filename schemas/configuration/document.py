"""The whole document. Sections in :data:`UNHASHED` do not touch decisions and stay out of ``config_hash``."""

from __future__ import annotations

from itertools import count
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from schemas.configuration.base import NonNegativeFloat, PositiveFloat, Section, Slug, SymbolName
from schemas.configuration.instruments import BUILT_IN_CALENDARS, Calendar, Instrument
from schemas.configuration.notifications import Notifications
from schemas.configuration.operators import Operators
from schemas.configuration.paper_venue import PaperVenueService
from schemas.configuration.portfolio import Portfolio
from schemas.partitioning import murmur2_partition

#: Addresses, paths and log levels: never part of a decision (design, "Configuration is part of the log").
UNHASHED = ("kafka", "clickhouse", "runtime", "telemetry", "paper_venue", "shadow", "notifications")


class Time(Section):
    """The rules by which the log moves time (design, "Time")."""

    cycle_seconds: PositiveFloat | Literal["from_dump"] = "from_dump"
    allowed_lateness_seconds: NonNegativeFloat = 5.0
    side_lag_seconds: NonNegativeFloat = 1.0
    max_future_seconds: NonNegativeFloat = 60.0
    max_jump_seconds: PositiveFloat = 2_592_000.0
    jump_confirmations: Annotated[int, Field(ge=1)] = 100


class MarketTopic(Section):
    """The market topic. ``close_on`` ``completeness`` closes a cycle as soon as every expected final bar is there;
    ``watermark`` waits for the watermark alone, as quotes and trades need."""

    partitions: Annotated[int, Field(ge=1, le=4096)] | Literal["from_dump"] = "from_dump"
    partitioner: Literal["murmur2", "consistent", "explicit"] = "murmur2"
    partition_of: dict[SymbolName, Annotated[int, Field(ge=0)]] = {}
    close_on: Literal["completeness", "watermark"] = "completeness"
    max_payload_bytes: Annotated[int, Field(ge=64)] = 65_536


class SideTopic(Section):
    """A side topic; a topic that is not configured counts as closed."""

    partitions: Annotated[int, Field(ge=1, le=4096)] = 1


class Topics(Section):
    """Which inputs exist."""

    market: MarketTopic = MarketTopic()
    control: SideTopic | None = None
    signals: SideTopic | None = None
    fills: SideTopic | None = None
    overlay: SideTopic | None = None


class Quality(Section):
    """Thresholds of the batch quality gate over each symbol's last ``window`` messages (spec 2)."""

    window: Annotated[int, Field(ge=20, le=100_000)] = 200
    minimum: Annotated[int, Field(ge=1)] = 20
    null_rate: NonNegativeFloat = 0.01
    duplicate_rate: NonNegativeFloat = 0.02
    non_monotonic_rate: NonNegativeFloat = 0.01
    schema_rate: NonNegativeFloat = 0.01
    staleness_seconds: NonNegativeFloat = 120.0


class Circuit(Section):
    """Circuit breaker of a schedule (spec 3)."""

    errors: Annotated[int, Field(ge=1)] = 3
    open_seconds: PositiveFloat = 300.0


class Kafka(Section):
    """Connection settings; ``client`` is passed through to librdkafka (SASL, TLS)."""

    bootstrap_servers: str = "127.0.0.1:9092"
    cluster_id: Slug = "weir"
    client: dict[str, str | int | float | bool] = {}
    topics: dict[str, str] = {}
    tick_seconds: PositiveFloat = 1.0
    hold_cycles: Annotated[int, Field(ge=1)] = 2000
    poll_messages: Annotated[int, Field(ge=1)] = 5000


class ClickHouse(Section):
    """A server by DSN, or the embedded engine by path."""

    dsn: str | None = None
    path: str | None = None
    database: Slug = "weir"
    batch_rows: Annotated[int, Field(ge=1)] = 20_000


class Runtime(Section):
    """How the job runs; none of it touches a decision."""

    recovery_directory: str | None = None
    epoch_seconds: NonNegativeFloat = 1.0
    hang_seconds: PositiveFloat = 30.0
    metrics_address: str | None = None
    command_token_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Telemetry(Section):
    """Names used in metrics and traces, and how often schedules report into the log."""

    namespace: str = "weir"
    interval_seconds: Annotated[float, Field(ge=10)] = 60.0


class Shadow(Section):
    """A candidate that runs beside the live configuration in the same flow, emits no orders and changes no decision."""

    configuration: str | None = None


class Configuration(Section):
    """Everything that a flow needs."""

    version: Literal[1] = 1
    name: Slug = "weir"
    time: Time = Time()
    topics: Topics = Topics()
    instruments: list[Instrument] | Literal["from_dump"] = "from_dump"
    calendars: dict[Slug, Calendar] = {}
    portfolios: Annotated[list[Portfolio], Field(min_length=1)]
    quality: Quality = Quality()
    circuit: Circuit = Circuit()
    operators: Operators = Operators()
    capabilities: list[Slug] | Literal["*"] = "*"
    allow_partial_start: bool = False
    kafka: Kafka = Kafka()
    clickhouse: ClickHouse = ClickHouse()
    runtime: Runtime = Runtime()
    telemetry: Telemetry = Telemetry()
    paper_venue: PaperVenueService = PaperVenueService()
    shadow: Shadow = Shadow()
    notifications: Notifications = Notifications()

    @model_validator(mode="after")
    def _cross_references(self) -> Configuration:
        problems = [*self._duplicate_names(), *self._instrument_problems()]
        problems += self._fills_problems()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _fills_problems(self) -> list[str]:
        """The fills topic and what portfolios expect of it (design, "Feedback goes through the log")."""
        problems: list[str] = []
        fills = self.topics.fills
        modes = {p.id: p.execution.mode for p in self.portfolios}
        for name, mode in modes.items():
            if mode == "internal_paper" and fills is not None:
                problems.append(
                    f"portfolios.{name}.execution: internal_paper fills its own orders, so topics.fills must not be set"
                )
            if mode != "internal_paper" and fills is None:
                problems.append(f"portfolios.{name}.execution: {mode} reads fills; set topics.fills")
        if fills is not None and "paper_venue" in modes.values():

            def apart(partitions: int) -> bool:
                return len({murmur2_partition(name.encode(), partitions) for name in modes}) == len(modes)

            if not apart(fills.partitions):
                needed = next(n for n in count(len(modes)) if apart(n))
                problems.append(
                    f"topics.fills.partitions: with {fills.partitions} two portfolios share a partition;"
                    f" paper_venue needs one for each: set {needed}"
                )
        return problems

    def _duplicate_names(self) -> list[str]:
        ids = [p.id for p in self.portfolios]
        return [f"portfolios: id {i!r} is used twice" for i in sorted({i for i in ids if ids.count(i) > 1})]

    def _instrument_problems(self) -> list[str]:
        if isinstance(self.instruments, str):
            return []
        problems: list[str] = []
        symbols = [i.symbol for i in self.instruments]
        known = set(symbols)
        problems += [
            f"instruments: {s!r} is listed twice" for s in sorted({s for s in symbols if symbols.count(s) > 1})
        ]
        calendars = {**BUILT_IN_CALENDARS, **self.calendars}
        for instrument in self.instruments:
            if instrument.calendar not in calendars:
                problems.append(
                    f"instruments.{instrument.symbol}.calendar: {instrument.calendar!r} is not defined;"
                    f" known: {', '.join(sorted(calendars))}"
                )
        currency = {i.symbol: i.currency for i in self.instruments}
        for portfolio in self.portfolios:
            for foreign, symbol in sorted(portfolio.conversions.items()):
                path = f"portfolios.{portfolio.id}.conversions.{foreign}"
                if symbol not in known:
                    problems.append(f"{path}: no instrument {symbol!r}")
                elif currency[symbol] not in ("", portfolio.base_currency):
                    problems.append(
                        f"{path}: {symbol!r} is quoted in {currency[symbol]}, not in {portfolio.base_currency}"
                    )
            for pod in portfolio.pods:
                for schedule in pod.schedules:
                    missing = [] if schedule.symbols == "*" else sorted(set(schedule.symbols) - known)
                    if missing:
                        problems.append(
                            f"portfolios.{portfolio.id}.pods.{pod.id}.schedules.{schedule.id}.symbols:"
                            f" no instrument for {', '.join(missing)}"
                        )
        return problems

    def decision_document(self) -> dict[str, Any]:
        """What decisions depend on, as plain JSON values."""
        document: dict[str, Any] = self.model_dump(mode="json")
        for section in UNHASHED:
            document.pop(section)
        return document
