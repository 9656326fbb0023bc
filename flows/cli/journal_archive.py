"""``weir journal``: keys, verification, segments, anchors, and looking at a journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import Json, command, emit, say

if TYPE_CHECKING:
    from flows.journal.anchors import Anchor
    from flows.journal.export import ExportReport
    from flows.journal.keys import KeyRing
    from flows.journal.tail import Filter

app = typer.Typer(no_args_is_help=True, help="The journal: verify, export, anchor, follow, count.")

Journal = Annotated[
    Path,
    typer.Argument(metavar="JOURNAL", help="Folder of segments, folder of a run, a file, or - for standard input."),
]
Keys = Annotated[
    Path | None, typer.Option("--keys", help="Key file; by default what WEIR_JOURNAL_KEYS and WEIR_JOURNAL_KEY say.")
]
Config = Annotated[Path | None, typer.Option("--config", help="Configuration that names Kafka or ClickHouse.")]


@app.callback()
def journal() -> None:
    """The journal: verify, export, anchor, follow, count."""


def _keys(path: Path | None) -> KeyRing:
    from flows.journal.keys import KeyRing, keys_from_environment, load_keys

    return load_keys(path) if path is not None else keys_from_environment() or KeyRing()


@app.command("keygen")
@command
def keygen(
    out: Annotated[Path | None, typer.Option("--out", help="New key file.")] = None,
    key_id: Annotated[str, typer.Option("--id", help="Id of the HMAC key.")] = "hmac-1",
    seal_id: Annotated[str, typer.Option("--seal-id", help="Id of the Ed25519 key.")] = "seal-1",
    public: Annotated[
        Path | None, typer.Option("--public", help="Print the auditor's part of this key file instead.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a key file, or print what an auditor needs of one: the public keys."""
    from flows.errors import InvalidInput
    from flows.journal.keys import auditor_document, load_keys, new_key_file

    if (out is None) == (public is None):
        raise InvalidInput("give either --out for a new key file or --public for the auditor's part of one")
    if public is not None:
        typer.echo(auditor_document(load_keys(public)).decode(), nl=False)
        return
    assert out is not None
    ring = new_key_file(out, key_id, seal_id)
    result = {"file": str(out), "hmac": [key.id for key in ring.hmac], "ed25519": [key.id for key in ring.seals]}
    emit(result, json, [f"wrote {out} (owner alone may read it); keep it outside of the configuration"])


@app.command("verify")
@command
def verify(
    journal: Journal,
    keys: Keys = None,
    orders: Annotated[Path | None, typer.Option("--orders", help="Orders file; a run folder's by default.")] = None,
    head: Annotated[
        list[str] | None, typer.Option("--head", help="Anchored decision, as portfolio:sequence:hash.")
    ] = None,
    anchors: Annotated[
        list[Path] | None, typer.Option("--anchors", help="File of anchors, from the second place.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="The last segment may have no footer yet.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="The journal may begin within its chains.")] = False,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Decisions need no signature, as in a demo.")
    ] = False,
    json: Json = False,
) -> None:
    """Verify a journal offline: 0 ok, 1 broken (the first bad sequence is named), 2 unusable."""
    from flows.cli.journal import parse_heads
    from flows.journal.anchors import read_anchors
    from flows.journal.verify import Demands
    from flows.journal.verify import verify as verify_journal

    ring = _keys(keys)
    known: list[Anchor] = [anchor for path in anchors or [] for anchor in read_anchors(path, ring)]
    demands = Demands(signatures=not allow_unsigned, footers=True, live=live, partial=partial)
    found = verify_journal(
        journal, orders=orders, heads=parse_heads(head or []), keys=ring, demands=demands, anchors=known
    )
    if json:
        emit(found, True)
    else:
        from rich.console import Console

        from flows.journal.show import verification_view

        Console().print(verification_view(found))
    raise typer.Exit(int(found.exit_code))


@app.command("export")
@command
def export(
    out: Annotated[Path, typer.Option("--out", help="Folder of segments.")],
    run: Annotated[Path | None, typer.Option("--run", help="Folder of a run, or its journal file.")] = None,
    kafka: Annotated[Path | None, typer.Option("--kafka", help="Configuration whose decisions topic is read.")] = None,
    clickhouse: Annotated[
        Path | None, typer.Option("--clickhouse", help="Configuration whose ClickHouse is read.")
    ] = None,
    keys: Keys = None,
    last_day: Annotated[
        str, typer.Option("--last-day", help="close, open or omit it; a run's is closed, a live one's left open.")
    ] = "",
    compression: Annotated[str, typer.Option("--compression", help="zst, gz or none.")] = "zst",
    segment_mib: Annotated[int, typer.Option("--segment-mib", min=1, help="Size at which a segment ends.")] = 256,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", help="File to append heads to: the second place.")
    ] = None,
    keep_days: Annotated[int | None, typer.Option("--keep-days", min=1, help="Remove older segments.")] = None,
    json: Json = False,
) -> None:
    """Write daily segments with signed footers from a run, the decisions topic or ClickHouse; may be repeated."""
    from flows.errors import InvalidInput
    from flows.journal.export import ExportOptions, LastDay
    from flows.journal.export import export as export_journal

    if sum(source is not None for source in (run, kafka, clickhouse)) != 1:
        raise InvalidInput("give one of --run, --kafka and --clickhouse: where the decisions come from")
    last_day = last_day or ("close" if run is not None else "open")
    if last_day not in list(LastDay) or compression not in ("zst", "gz", "none"):
        raise InvalidInput("--last-day is close, open or omit; --compression is zst, gz or none")
    options = ExportOptions(
        compression="" if compression == "none" else f".{compression}",
        last_day=LastDay(last_day),
        segment_bytes=segment_mib << 20,
        anchors=anchors,
        keep_days=keep_days,
    )
    found = export_journal(_lines(run, kafka, clickhouse), out, _keys(keys), options)
    if not found.signed:
        say("weir: warning: no Ed25519 key: footers are not signed and prove nothing to anybody else")
    emit(found, json, _export_lines(found))


def _lines(run: Path | None, kafka: Path | None, clickhouse: Path | None) -> Iterator[bytes]:
    from flows.journal.export_sources import clickhouse_lines, kafka_lines
    from flows.journal.reader import decision_lines
    from schemas.configuration import load_configuration

    if run is not None:
        return decision_lines(run)
    if kafka is not None:
        return kafka_lines(load_configuration(kafka))
    assert clickhouse is not None
    return clickhouse_lines(load_configuration(clickhouse))


def _export_lines(found: ExportReport) -> list[str]:
    lines = [f"wrote {name}" for name in found.segments] + [f"open  {name}" for name in found.unterminated]
    lines += [f"removed {name}" for name in found.removed]
    return [*lines[-20:], f"{found.decisions:,} decisions, {len(found.segments):,} segments, {found.anchored} anchors"]


@app.command("anchor")
@command
def anchor(
    journal: Journal,
    to: Annotated[Path | None, typer.Option("--to", help="File of anchors; where the owner cannot write.")] = None,
    topic: Annotated[str, typer.Option("--topic", help="Kafka topic of anchors, with --config.")] = "",
    config: Config = None,
    keys: Keys = None,
    json: Json = False,
) -> None:
    """Write the present chain heads of a journal to a second place; the journal is verified first."""
    from flows.errors import InvalidInput, WeirError
    from flows.journal.anchors import append_anchors, head_anchors, publish_anchors
    from flows.journal.verify import Demands
    from flows.journal.verify import verify as verify_journal
    from schemas.configuration import load_configuration

    if to is None and not (topic and config is not None):
        raise InvalidInput("give --to FILE, or --topic NAME with --config FILE")
    ring = _keys(keys)
    found = verify_journal(journal, keys=ring, demands=Demands(live=True), check_orders=False)
    if found.exit_code != 0:
        raise WeirError(f"{journal}: a broken journal is not anchored: {found.findings[0].text}")
    heads = head_anchors(journal)
    written = 0 if to is None else append_anchors(to, heads, ring)
    if topic and config is not None:
        written += publish_anchors(load_configuration(config), topic, heads, ring)
    result = {"anchors": heads, "written": written}
    emit(result, json, [f"{head.portfolio}:{head.sequence}:{head.hash}" for head in heads])


@app.command("tail")
@command
def tail(
    journal: Annotated[
        Path | None, typer.Argument(metavar="JOURNAL", help="Folder or file; - is standard input.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--kafka", help="Follow the decisions topic of this.")] = None,
    count: Annotated[int, typer.Option("-n", "--lines", min=0, help="Show so many of the last decisions.")] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as decisions come.")] = False,
    portfolio: Annotated[str, typer.Option("--portfolio", help="Of this portfolio alone.")] = "",
    symbol: Annotated[str, typer.Option("--symbol", help="That touch this symbol.")] = "",
    pod: Annotated[str, typer.Option("--pod", help="That touch this pod.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="With a reason that begins like this.")] = "",
    orders: Annotated[bool, typer.Option("--orders", help="With orders.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a decision.")] = False,
) -> None:
    """Show the last decisions, one a line, and follow what comes."""
    from flows.errors import InvalidInput
    from flows.journal.tail import Filter

    if (journal is None) == (config is None):
        raise InvalidInput("give either a journal or --kafka FILE")
    wanted = Filter(portfolio, symbol, pod, reason, orders)
    if config is not None:
        _tail_kafka(config, wanted, json)
        return
    assert journal is not None
    _tail_file(journal, wanted, json, count, follow)


def _tail_file(journal: Path, wanted: Filter, json: bool, count: int, follow: bool) -> None:
    from flows.journal.line import parse_decision
    from flows.journal.reader import STANDARD_INPUT, journal_files, read_decisions
    from flows.journal.tail import follow_file
    from flows.process import drain

    last = deque((body for line in read_decisions(journal) if wanted.fits(body := line.body())), maxlen=count)
    for body in last:
        _show(body, json)
    if not follow or journal == STANDARD_INPUT:
        return
    with drain.on_signals():
        for raw in follow_file(journal_files(journal)[-1], drain.requested):
            body = parse_decision(raw)[1]
            if wanted.fits(body):
                _show(body, json)


def _tail_kafka(config: Path, wanted: Filter, json: bool) -> None:
    from flows.journal.line import parse_decision
    from flows.kafka.topics import partition_count
    from flows.kafka_ranges import follow, topic_range
    from flows.process import drain
    from flows.topics import client_settings, topic_name
    from schemas.configuration import load_configuration

    configuration = load_configuration(config)
    client, topic = client_settings(configuration), topic_name(configuration, "decisions")
    ends = {(topic, p): topic_range(client, topic, p)[1] for p in range(partition_count(client, topic))}
    with drain.on_signals():
        for message in follow(client, ends, drain.requested):
            body = parse_decision(message.value() or b"")[1]
            if wanted.fits(body):
                _show(body, json)


def _show(body: object, json: bool) -> None:
    import sys

    import msgspec

    from flows.journal.tail import decision_text
    from schemas.decision import DecisionBody

    assert isinstance(body, DecisionBody)
    typer.echo(msgspec.json.encode(body).decode() if json else decision_text(body))
    sys.stdout.flush()


@app.command("stats")
@command
def stats(journal: Journal, json: Json = False) -> None:
    """Count decisions, orders, fills and reasons by day, pod and portfolio."""
    from flows.journal.reader import read_decisions
    from flows.journal.stats import journal_stats

    found = journal_stats(read_decisions(journal))
    if json:
        emit(found, True)
        return
    from rich.console import Console

    from flows.journal.show_stats import stats_view

    Console().print(stats_view(found))
