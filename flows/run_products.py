"""What a replay leaves beside its journal: the embedded ClickHouse, a summary and a plot."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import msgspec

from schemas.configuration import Configuration, parse_configuration

CLICKHOUSE: Final = "clickhouse"
REPORT: Final = "report"
CONFIGURATION: Final = "configuration.json"


def load_clickhouse(out: Path) -> int:
    """Loads the journal of ``out`` into its embedded ClickHouse; returns the number of decisions."""
    from flows.clickhouse.client import connect
    from flows.clickhouse.sink import load_decisions
    from schemas.configuration.document import ClickHouse

    client = connect(ClickHouse(path=str((out / CLICKHOUSE).resolve())))
    try:
        return load_decisions(out, client).decisions
    finally:
        client.close()


def periods_per_year(configuration: Configuration) -> int:
    """Daily returns in a year: 252 where every instrument rests at weekends, else 365."""
    instruments = configuration.instruments
    rests = not isinstance(instruments, str) and all(one.calendar != "always" for one in instruments)
    return 252 if rests else 365


def write_report(out: Path) -> dict[str, str]:
    """Writes ``report/summary.json`` and ``report/equity.png`` for a run's folder; returns their paths by name."""
    from flows.report.plot import write_plot
    from flows.report.summary import report

    configuration = run_configuration(out)
    folder = out / REPORT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    found = report(out, periods_per_year=365 if configuration is None else periods_per_year(configuration))
    summary = folder / "summary.json"
    summary.write_bytes(msgspec.json.format(msgspec.json.encode(found.summary), indent=1) + b"\n")
    products = {"summary": str(summary)}
    if found.curves:
        currency = configuration.portfolios[0].base_currency if configuration is not None else ""
        products["plot"] = str(write_plot(found.curves, folder / "equity.png", currency=currency))
    return products


def run_configuration(out: Path) -> Configuration | None:
    """The resolved configuration that the run in ``out`` used; None where it left none."""
    path = out / CONFIGURATION
    if not path.is_file():
        return None
    return parse_configuration(msgspec.json.decode(path.read_bytes()), str(path))


def feature_names(configuration: Configuration) -> dict[str, list[str]]:
    """Names of the declared features by schedule id, in the order in which decisions hold them."""
    from operators.strategy_evaluate.registry import default_registry

    registry = default_registry()
    return {
        schedule.id: [str(feature) for feature in registry.build(schedule.strategy, schedule.parameters).features()]
        for portfolio in configuration.portfolios
        for pod in portfolio.pods
        for schedule in pod.schedules
    }
