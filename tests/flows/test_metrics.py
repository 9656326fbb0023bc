"""What a scrape shows after a small run, and how the endpoint is bound."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows import metrics as metrics_module
from flows.dump.records import Records
from flows.errors import InvalidInput
from flows.metrics import begin_anew, observe_lag, parse_address, serving
from flows.replay import ReplayOptions, ReplayResult, replay
from schemas.configuration import Configuration, parse_configuration
from schemas.metrics import METRICS
from tests.flows.dump.samples import write_dump
from tests.regrouping import HOURS, Rows, configuration, control, market

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def tight(**sections: Any) -> Configuration:
    """Leverage and exposure so low that every layer cuts."""
    document = configuration(2).model_dump(mode="json")
    (portfolio,) = document["portfolios"]
    portfolio["max_gross_leverage"] = 0.2
    portfolio["guards"]["max_symbol_notional"] = 20_000.0
    portfolio["pods"][0]["max_leverage"] = 0.4
    return parse_configuration(document | sections)


def write_market(folder: Path, parts: dict[int, Rows]) -> None:
    places = {("market", p): rows for p, rows in parts.items()} | {("control", 0): control()}
    write_dump(
        folder,
        {
            place: Records.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
            for place, rows in places.items()
        },
    )


def scrape(address: str) -> Samples:
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Samples, ReplayResult, Path]]:
    """A replay of two partitions with a bad message, a duplicate and a late bar, and what is scraped after it."""
    folder = tmp_path_factory.mktemp("metrics")
    parts = market(2, 0, HOURS - 1)
    first = parts[0][:-1]
    extra = [first[-1], first[0], (0, first[-1][1], b"no json")]
    parts[0] = [(n, ts, payload) for n, (_, ts, payload) in enumerate([*first, *extra, parts[0][-1]])]
    write_market(folder / "dump", parts)
    begin_anew()
    result = replay(folder / "dump", tight(), folder / "out", ReplayOptions(clickhouse=False, report=False))
    with serving(":0") as address:
        assert address is not None
        yield scrape(address), result, folder / "out"


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def test_totals_are_those_of_the_result(run: tuple[Samples, ReplayResult, Path]) -> None:
    samples, result, out = run
    assert value(samples, "weir_bars_total") == result.bars
    assert value(samples, "weir_records_total", topic="market") == result.bars + 2 + 1
    assert value(samples, "weir_records_total", topic="control") == len(control())
    assert value(samples, "weir_decisions_total", portfolio="main") == result.decisions
    orders = [msgspec.json.decode(line) for line in (out / "orders.jsonl").read_bytes().splitlines()]
    for side in ("buy", "sell"):
        assert value(samples, "weir_orders_total", portfolio="main", side=side) == sum(
            o.get("side") == side for o in orders
        )
    bodies = [msgspec.json.decode(line)["body"] for line in (out / "decisions.jsonl").read_bytes().splitlines()]
    tables = [b["fills"] for b in bodies if "fills" in b]
    fills = sum(len({s for s, q in zip(t["symbol"], t["quantity"], strict=True) if q}) for t in tables)
    assert value(samples, "weir_fills_total", portfolio="main") == fills
    assert value(samples, "weir_portfolio_equity", portfolio="main") == bodies[-1]["equity"]
    assert value(samples, "weir_trading_state", portfolio="main", state="ACTIVE") == 1
    assert value(samples, "weir_trading_state", portfolio="main", state="HALTED") == 0


def test_dead_letters_duplicates_and_time_are_shown(run: tuple[Samples, ReplayResult, Path]) -> None:
    samples, result, _ = run
    for reason, number in result.dead_letters_by_reason.items():
        assert value(samples, "weir_dead_letters_total", topic="market", reason=reason) == number
    assert result.dead_letters_by_reason == {"INPUT_LATE": 1, "INPUT_NOT_JSON": 1}
    assert value(samples, "weir_late_total", topic="market") == 1
    assert value(samples, "weir_duplicates_total", topic="market") == 1
    assert value(samples, "weir_watermark_lag_seconds", topic="market", partition="0") == 0
    assert value(samples, "weir_build_info", code_version=result.code_version, config_hash=result.config_hash) == 1


def test_strategies_are_counted_by_strategy_and_by_schedule(run: tuple[Samples, ReplayResult, Path]) -> None:
    samples, _, out = run
    bodies = [msgspec.json.decode(line)["body"] for line in (out / "decisions.jsonl").read_bytes().splitlines()]
    schedules = [s for b in bodies if "intents" in b for s in b["intents"]["schedule"]]
    for schedule in ("fast", "slow", "reverting"):
        found = value(samples, "schedule_signals_total", portfolio="main", schedule=schedule)
        assert found == schedules.count(schedule)
    crosses = value(samples, "strategy_intents_total", strategy_id="sma_cross")
    assert crosses == schedules.count("fast") + schedules.count("slow")
    used = value(samples, "weir_bars_total") - 2
    assert value(samples, "strategy_events_total", strategy_id="mean_reversion") == used
    assert value(samples, "strategy_events_total", strategy_id="sma_cross") > used
    assert value(samples, "strategy_latency_ms_count", strategy_id="sma_cross") > 0
    conflicts = sum(sum(b["targets"]["conflict"]) for b in bodies if "targets" in b)
    assert value(samples, "intent_conflict_total") == conflicts > 0


def test_cuts_are_counted_by_reason_and_the_allocators_once_more(run: tuple[Samples, ReplayResult, Path]) -> None:
    samples, _, out = run
    bodies = [msgspec.json.decode(line)["body"] for line in (out / "decisions.jsonl").read_bytes().splitlines()]
    reasons = [r for b in bodies if "clips" in b for r in b["clips"]["reason"]]
    shown = {dict(labels)["reason"]: v for (name, labels), v in samples.items() if name == "weir_clips_total"}
    assert shown == {reason: reasons.count(reason) for reason in set(reasons)}
    rejected = {dict(labels)["reason"]: v for (name, labels), v in samples.items() if name == "allocator_reject_total"}
    assert rejected == {r: n for r, n in shown.items() if r.startswith(("LEVERAGE_", "CAPITAL_", "POD_"))}
    assert {"LEVERAGE_POD_SYMBOL", "LEVERAGE_PORTFOLIO_GROSS"} <= rejected.keys() < shown.keys()


def test_every_stage_has_its_latency(run: tuple[Samples, ReplayResult, Path]) -> None:
    samples, _, _ = run
    for stage in ("decode", "group", "side", "pod", "portfolio"):
        assert value(samples, "weir_cycle_latency_seconds_count", stage=stage) > 0


def test_nothing_is_shown_that_is_not_declared(run: tuple[Samples, ReplayResult, Path]) -> None:
    declared = {m.name for m in METRICS}
    for name, _ in run[0]:
        stem = name if name in declared else name.rpartition("_")[0]
        assert stem in declared or f"{stem}_total" in declared


def test_measuring_changes_no_decision(run: tuple[Samples, ReplayResult, Path], tmp_path: Path) -> None:
    """The endpoint is up or not, another run counts on: the hashes are the same."""
    _, result, out = run
    served = tight(runtime={"metrics_address": ":0"})
    again = replay(out.parent / "dump", served, tmp_path / "out", ReplayOptions(clickhouse=False, report=False))
    assert again.decisions_sha256 == result.decisions_sha256


def test_kafka_lag_is_a_gauge_by_partition() -> None:
    begin_anew()
    observe_lag("market", 3, 120)
    observe_lag("market", 3, 7)
    with serving(":0") as address:
        assert address is not None
        assert value(scrape(address), "weir_kafka_consumer_lag", topic="market", partition="3") == 7


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (":9464", ("127.0.0.1", 9464)),
        ("9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:9464", ("::1", 9464)),
        ("metrics.internal:1", ("metrics.internal", 1)),
    ],
)
def test_an_address_without_a_host_is_the_loopback(address: str, expected: tuple[str, int]) -> None:
    assert parse_address(address) == expected


@pytest.mark.parametrize(
    "address", ["", "localhost", "127.0.0.1:", "127.0.0.1:http", ":65536", ":-1", ":\N{ARABIC-INDIC DIGIT THREE}"]
)
def test_what_is_no_address_is_named_with_the_fix(address: str) -> None:
    with pytest.raises(InvalidInput, match=r"runtime\.metrics_address: .* is no address; write host:port"):
        parse_address(address)


def test_each_process_of_a_cluster_has_a_port_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving(f":{port - 2}", process=2) as address:
            assert address is None
    assert f"127.0.0.1:{port} of runtime.metrics_address" in caplog.text


def test_a_port_that_is_taken_is_a_warning_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with serving(f":{taken.getsockname()[1]}") as address:
            assert address is None
    assert "runtime.metrics_address cannot be bound" in caplog.text


def test_no_address_serves_nothing() -> None:
    with serving(None) as address:
        assert address is None


def test_the_endpoint_is_gone_after_the_run() -> None:
    with serving(":0") as address:
        assert address is not None
    with pytest.raises(OSError, match=r"refused|Connection"):
        scrape(address)


def test_a_process_has_one_registry() -> None:
    assert begin_anew() is metrics_module.process_metrics()
