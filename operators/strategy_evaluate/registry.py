"""Which strategies are installed, by ``type@version`` (spec 3, Registry)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from pydantic import ValidationError

from operators.strategy_evaluate.contract import contract_problems
from operators.strategy_evaluate.strategies.cross_exchange_arbitrage import CrossExchangeArbitrage
from operators.strategy_evaluate.strategies.daily_trend_momentum import DailyTrendMomentum
from operators.strategy_evaluate.strategies.external_signal import ExternalSignal
from operators.strategy_evaluate.strategies.grid_trading import GridTrading
from operators.strategy_evaluate.strategies.intraday_tsmom import IntradayTsmom
from operators.strategy_evaluate.strategies.legacy_macd_rsi import LegacyMacdRsi
from operators.strategy_evaluate.strategies.mean_reversion import MeanReversion
from operators.strategy_evaluate.strategies.sma_cross import SmaCross
from operators.strategy_evaluate.strategies.volatility_target import VolatilityTarget
from operators.strategy_evaluate.strategy import Market, Strategy
from schemas.configuration import ConfigurationError

#: Outside packages announce their strategies under this entry point group.
ENTRY_POINT_GROUP = "weir.strategies"

SHIPPED: tuple[type[Strategy], ...] = (
    SmaCross,
    LegacyMacdRsi,
    IntradayTsmom,
    DailyTrendMomentum,
    MeanReversion,
    GridTrading,
    VolatilityTarget,
    CrossExchangeArbitrage,
    ExternalSignal,
)


class Registry:
    """Strategy classes by ``type@version``. Versions stand side by side; pinning an older one is a rollback.

    A reference resolves exactly, or through an alias to one exact version, or not at all: never silently to another
    version. A bare type is an alias like any other, and exists only where it was declared.
    """

    def __init__(self) -> None:
        self._classes: dict[str, type[Strategy]] = {}
        self._aliases: dict[str, str] = {}
        self._outside: dict[str, list[EntryPoint]] = {}
        self._broken: dict[str, str] = {}

    def register(self, strategy: type[Strategy], aliases: Iterable[str] = ()) -> None:
        """Installs a class and its aliases; raises ConfigurationError if a name already means something else."""
        reference = f"{strategy.strategy_type}@{strategy.version}"
        if self._classes.get(reference, strategy) is not strategy:
            raise ConfigurationError("registry", [f"strategy: {reference} is installed twice"])
        names = (*aliases, *strategy.aliases)
        taken = sorted(n for n in names if self._aliases.get(n, reference) != reference)
        if taken:
            raise ConfigurationError(
                "registry", [f"strategy: alias {n!r} already means {self._aliases[n]}, not {reference}" for n in taken]
            )
        self._classes[reference] = strategy
        self._aliases.update(dict.fromkeys(names, reference))

    def announce(self, entry_point: EntryPoint) -> None:
        """Takes note of an outside package's strategy, which is loaded when it is first asked for.

        The entry point's name is the reference that it provides, ``type@version``.
        """
        self._outside.setdefault(entry_point.name, []).append(entry_point)

    def installed(self) -> Mapping[str, str]:
        """Every name that resolves, with the ``type@version`` that it stands for, sorted."""
        own = {r: r for r in (*self._classes, *self._outside)}
        return dict(sorted({**self._aliases, **own}.items()))

    def resolve(self, reference: str) -> type[Strategy]:
        """The class for ``type@version``, else for an alias; raises ConfigurationError listing what is installed."""
        if reference not in self._classes and reference not in self._aliases:
            self._load(reference)
        exact = reference if reference in self._classes else self._aliases.get(reference, reference)
        if exact in self._classes and exact in self._outside:
            origins = ", ".join(_origin(e) for e in self._outside[exact])
            raise ConfigurationError("registry", [f"strategy: {exact} is installed twice, the other time by {origins}"])
        if exact in self._classes:
            return self._classes[exact]
        broken = [text for name, text in sorted(self._broken.items()) if _names(reference, name)]
        names = ", ".join(self.installed()) or "none"
        raise ConfigurationError(
            "registry", broken or [f"strategy: {reference!r} is not installed; installed: {names}"]
        )

    def build(
        self,
        reference: str,
        parameters: Mapping[str, Any],
        market: Market | None = None,
        capabilities: Sequence[str] | Literal["*"] = "*",
    ) -> Strategy:
        """A strategy with checked parameters and features.

        Args:
            reference: ``type@version`` or an alias.
            parameters: as configured.
            market: what the strategy's symbols are, from which it completes its parameters.
            capabilities: what this deployment may run (seed 004), by capability; ``*``: everything.

        Raises:
            ConfigurationError: with a line for each fault.
        """
        strategy_class = self.resolve(reference)
        capability = strategy_class.capability or strategy_class.strategy_type
        if capabilities != "*" and capability not in capabilities:
            active = ", ".join(capabilities) or "none"
            fault = f"strategy: {reference} needs the capability {capability!r}; active in capabilities: {active}"
            raise ConfigurationError("registry", [fault])
        try:
            bound = dict(parameters) if market is None else strategy_class.bind(parameters, market)
            checked = strategy_class.parameters_type.model_validate(bound)
        except ValidationError as error:
            raise ConfigurationError("registry", _parameter_problems(error)) from None
        except ValueError as error:
            raise ConfigurationError("registry", [str(error)]) from None
        try:
            strategy = strategy_class(checked)
            problems = contract_problems(strategy)
        except Exception as error:  # whatever an outside class does while it is built
            problems = [f"strategy: {reference} cannot be built: {type(error).__name__}: {error}"]
        if problems:
            raise ConfigurationError("registry", problems)
        return strategy

    def _load(self, reference: str) -> None:
        """Imports the outside classes that ``reference`` may mean: that one, or every version of a bare type."""
        for name in sorted(n for n in self._outside if _names(reference, n)):
            self._load_one(name)

    def _load_one(self, reference: str) -> None:
        entry_points = self._outside.pop(reference)
        origin = " and ".join(_origin(e) for e in entry_points)
        if len(entry_points) > 1:
            self._broken[reference] = f"strategy: {reference} is announced by {origin}: uninstall one"
            return
        try:
            loaded = entry_points[0].load()
        except Exception as error:  # whatever an outside module does while it is imported
            self._broken[reference] = f"strategy: {reference} of {origin} cannot be loaded: {error!r}"
            return
        if not (isinstance(loaded, type) and issubclass(loaded, Strategy)):
            self._broken[reference] = f"strategy: {reference} of {origin} is not a Strategy class"
            return
        provided = f"{getattr(loaded, 'strategy_type', None)}@{getattr(loaded, 'version', None)}"
        if provided != reference:
            self._broken[reference] = f"strategy: {reference} of {origin} calls itself {provided}: rename one"
            return
        self.register(loaded)


def _origin(entry_point: EntryPoint) -> str:
    return f"package {entry_point.dist.name}" if entry_point.dist is not None else entry_point.value


def _names(reference: str, announced: str) -> bool:
    return reference in (announced, announced.partition("@")[0])


def _parameter_problems(error: ValidationError) -> list[str]:
    problems = []
    for fault in error.errors(include_url=False):
        path = ".".join(["parameters", *(str(p) for p in fault["loc"])])
        given = "" if isinstance(fault["input"], dict | list) else f" (given: {fault['input']!r})"
        problems.append(f"{path}: {fault['msg']}{given}")
    return problems


def default_registry() -> Registry:
    """The strategies that ship with Weir and those that installed packages announce."""
    registry = Registry()
    for strategy in SHIPPED:
        registry.register(strategy)
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda e: (e.name, e.value)):
        registry.announce(entry_point)
    return registry
