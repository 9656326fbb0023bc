"""``replay`` around a flow: resolved configuration, outputs, digests, ClickHouse, report, recovery."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import replay as replay_module
from flows.dump.importer import import_bars
from flows.dump.layout import open_dump
from flows.errors import SnapshotIncompatible
from flows.process.code_version import code_version
from flows.process.recovery_folder import RecoveryFolder
from flows.replay import ReplayOptions, replay
from flows.resolve import resolve
from flows.run_products import run_configuration
from schemas.configuration import Configuration, ConfigurationError, config_hash, parse_configuration

pytestmark = pytest.mark.process

BARS = 60


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Two symbols, hourly, in two partitions."""
    rows = [f"{1_700_000_000 + 3600 * n},{10 + n},{11 + n},{9 + n},{10 + n},5" for n in range(BARS)]
    prices = tmp_path / "prices"
    prices.mkdir()
    for symbol in ("AAAUSDT", "BBBUSDT"):
        text = "timestamp,open,high,low,close,volume\n" + "\n".join(rows) + "\n"
        (prices / f"{symbol}.csv").write_text(text)
    import_bars(prices, tmp_path / "dump", "1h", "close", 2)
    return tmp_path / "dump"


@pytest.fixture(autouse=True)
def small_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "BUILDER", "tests.flows.replayed_flow:build")


def configuration(**sections: object) -> Configuration:
    pods = [{"id": "pod", "schedules": [{"id": "s", "strategy": "sma_cross"}]}]
    return parse_configuration({"portfolios": [{"id": "main", "pods": pods}], **sections})


def test_what_is_left_to_the_dump_is_filled_in_and_becomes_part_of_the_hash(dump: Path) -> None:
    given = configuration()
    found = resolve(given, open_dump(dump))
    assert not isinstance(found.instruments, str)
    assert [i.symbol for i in found.instruments] == ["AAAUSDT", "BBBUSDT"]
    assert (found.time.cycle_seconds, found.topics.market.partitions) == (3600.0, 2)
    assert found.portfolios[0].base_currency == "USDT"
    assert config_hash(found) != config_hash(given)


def test_what_is_configured_is_kept(dump: Path) -> None:
    pods = [{"id": "pod", "schedules": [{"id": "s", "strategy": "sma_cross"}]}]
    portfolios = [{"id": "main", "base_currency": "USD", "pods": pods}]
    given = configuration(portfolios=portfolios, time={"cycle_seconds": 60}, instruments=[{"symbol": "AAAUSDT"}])
    found = resolve(given, open_dump(dump))
    assert not isinstance(found.instruments, str)
    assert [i.symbol for i in found.instruments] == ["AAAUSDT"]
    assert (found.time.cycle_seconds, found.portfolios[0].base_currency) == (60, "USD")


def test_topics_that_the_dump_does_not_have_are_all_named(dump: Path) -> None:
    given = configuration(topics={"market": {"partitions": 3}, "signals": {"partitions": 1}})
    with pytest.raises(ConfigurationError) as refused:
        resolve(given, open_dump(dump))
    assert len(refused.value.problems) == 2
    assert "topics.market.partitions: 3 configured, the dump has 2" in refused.value.problems[0]
    assert "topics.signals: 1 partition(s) configured, the dump has 0" in refused.value.problems[1]


def test_a_replay_leaves_its_outputs_and_says_what_it_did(dump: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = replay(dump, configuration(), out)
    records = open_dump(dump).partitions("market")[0].records
    assert (result.decisions, result.bars) == (records, 2 * BARS + 2)
    assert result.orders == (out / "orders.jsonl").read_bytes().count(b"\n")
    assert result.cpu_seconds > 0 and result.wall_seconds > 0
    assert not result.drained
    assert set(result.report) == {"summary", "plot"}
    assert all(Path(p).is_file() for p in result.report.values())
    assert (out / "clickhouse").is_dir()
    found = run_configuration(out)
    assert found is not None and config_hash(found) == result.config_hash
    assert result.code_version == code_version()


def test_processes_workers_and_batches_do_not_change_the_hashes(dump: Path, tmp_path: Path) -> None:
    plain = ReplayOptions(clickhouse=False, report=False)
    once = replay(dump, configuration(), tmp_path / "once", plain)
    shapes = [
        ReplayOptions(workers=2, batch=7, clickhouse=False, report=False),
        ReplayOptions(processes=2, slab_records=20, zst=True, clickhouse=False, report=False),
    ]
    for number, options in enumerate(shapes):
        other = replay(dump, configuration(), tmp_path / str(number), options)
        assert (other.decisions_sha256, other.orders_sha256) == (once.decisions_sha256, once.orders_sha256)
        assert other.bars == once.bars


def test_a_replay_into_the_same_folder_replaces_what_an_earlier_one_left_and_nothing_else(
    dump: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = replay(dump, configuration(), out, ReplayOptions(zst=True))
    (out / "notes.txt").write_text("mine")
    second = replay(dump, configuration(), out)
    assert second.decisions_sha256 == first.decisions_sha256
    assert not (out / "decisions.jsonl.zst").exists()
    assert (out / "notes.txt").read_text() == "mine"


def test_after_an_unclean_stop_a_replay_goes_on_only_with_the_same_configuration(dump: Path, tmp_path: Path) -> None:
    recovery, out = tmp_path / "recovery", tmp_path / "out"
    options = ReplayOptions(recovery=recovery, clickhouse=False, report=False, slab_records=20)
    whole = replay(dump, configuration(), out, options)
    with RecoveryFolder(recovery, 4) as folder:
        # As if the run had been killed after its last snapshot.
        folder.begin(whole.config_hash, whole.code_version, 2)
    with pytest.raises(SnapshotIncompatible, match="its config_hash is needed"):
        replay(dump, configuration(time={"cycle_seconds": 60}), out, options)
    again = replay(dump, configuration(), out, options)
    assert (again.decisions_sha256, again.orders_sha256) == (whole.decisions_sha256, whole.orders_sha256)
