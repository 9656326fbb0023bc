"""Segments end with a signed footer: what was cut off, left out or put in another order is seen without any secret."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from flows.journal.anchors import Anchor, append_anchors, head_anchors, read_anchors
from flows.journal.export import ExportOptions, LastDay, export
from flows.journal.findings import Verdict
from flows.journal.keys import KeyRing
from flows.journal.line import parse_line
from flows.journal.reader import STANDARD_INPUT, JournalDamaged, JournalUnusable, decision_lines, read_decisions
from flows.journal.retention import RETIRED, last_footer
from flows.journal.segment import day_of, segment_files
from flows.journal.verify import Demands, Head, Outcome, Verification, verify
from tests.decision_records import Chain, ChainBuilder
from tests.signed_journals import AUDITOR, ring, segments, signed_chain

KEYS = ring(30)
STRICT = Demands(signatures=True, footers=True)
CHAIN = signed_chain(KEYS, 80, ("main", "hedge"))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """80 hours of two portfolios: four days."""
    return segments(tmp_path / "journal", KEYS, CHAIN)


def checked(journal: Path, keys: KeyRing = KEYS, **demands: bool) -> Verification:
    return verify(journal, keys=keys, demands=Demands(signatures=True, footers=True, **demands))


def faults(found: Verification) -> list[tuple[Verdict, str, int | None]]:
    return [(f.verdict, f.portfolio, f.sequence) for f in found.findings]


def test_each_day_is_a_segment_and_nothing_is_lost(journal: Path) -> None:
    files = segment_files(journal)
    assert [file.name[8:18] for file in files] == ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
    assert sorted(decision_lines(journal)) == sorted(CHAIN.lines)
    found = checked(journal)
    assert (found.outcome, found.segments, found.sealed, found.verified) == (Outcome.OK, 4, 4, 160)


def test_a_cycle_that_ends_at_midnight_belongs_to_the_day_that_it_ends() -> None:
    midnight = 1_704_153_600_000_000_000
    assert (day_of(midnight), day_of(midnight + 1)) == ("2024-01-01", "2024-01-02")


def test_an_auditor_without_secrets_verifies_by_footers(journal: Path) -> None:
    assert checked(journal, AUDITOR).outcome is Outcome.OK
    file = segment_files(journal)[1]
    lines = file.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"code_version":"test"', b'"code_version":"evil"')
    file.write_bytes(b"".join(lines))
    assert [(f.verdict, f.file) for f in checked(journal, AUDITOR).findings] == [(Verdict.FOOTER, str(file))]


def test_concatenated_segments_are_verified_from_standard_input(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"".join(gzip.compress(file.read_bytes()) for file in segment_files(journal))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    found = checked(STANDARD_INPUT)
    assert (found.outcome, found.segments) == (Outcome.OK, 4)


def test_a_segment_without_footer_is_unterminated_unless_live(tmp_path: Path) -> None:
    export(CHAIN.lines, tmp_path, KEYS, ExportOptions(compression="", last_day=LastDay.OPEN))
    found = checked(tmp_path)
    assert [f.verdict for f in found.findings] == [Verdict.UNTERMINATED]
    assert found.exit_code == 1
    assert checked(tmp_path, live=True).outcome is Outcome.OK


def test_only_the_last_segment_may_be_live(journal: Path) -> None:
    file = segment_files(journal)[1]
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    assert [f.verdict for f in checked(journal, live=True).findings] == [Verdict.UNTERMINATED]


def test_a_missing_segment_names_the_first_missing_decisions(journal: Path) -> None:
    segment_files(journal)[1].unlink()
    assert faults(checked(journal)) == [(Verdict.DROPPED, "hedge", 25), (Verdict.DROPPED, "main", 25)]


def test_a_missing_first_segment_is_seen_and_partial_allows_it(journal: Path) -> None:
    segment_files(journal)[0].unlink()
    assert {sequence for _, _, sequence in faults(checked(journal))} >= {1}
    assert checked(journal, partial=True).outcome is Outcome.OK
    assert checked(segment_files(journal)[1], partial=True).outcome is Outcome.OK


def test_a_missing_last_segment_is_seen_against_an_anchor_alone(journal: Path) -> None:
    heads = head_anchors(journal)
    segment_files(journal)[-1].unlink()
    assert checked(journal).outcome is Outcome.OK
    found = verify(journal, keys=KEYS, demands=STRICT, anchors=heads)
    assert faults(found) == [(Verdict.TRUNCATED, "hedge", 73), (Verdict.TRUNCATED, "main", 73)]
    by_head = verify(journal, keys=KEYS, demands=STRICT, heads={"main": Head(80, heads[1].hash)})
    assert faults(by_head) == [(Verdict.TRUNCATED, "main", 73)]


def test_a_rewritten_journal_differs_from_an_anchor_in_its_middle(tmp_path: Path) -> None:
    """Whoever has all keys can rewrite everything; what was anchored before shows it."""
    other = segments(tmp_path / "other", KEYS, signed_chain(KEYS, 80, ("main", "hedge"), seed=99))
    line = parse_line(CHAIN.lines[20])
    anchor = Anchor(cycle=line.cycle, hash=line.hash, portfolio=line.portfolio, sequence=line.sequence)
    assert checked(other).outcome is Outcome.OK
    found = verify(other, keys=KEYS, demands=STRICT, anchors=[anchor])
    assert faults(found) == [(Verdict.FORKED, "main", 11)]


def test_a_footer_by_a_stranger_is_not_believed(tmp_path: Path) -> None:
    unsealed = segments(tmp_path / "a", KeyRing(KEYS.hmac), CHAIN)
    assert checked(unsealed).findings[0].verdict is Verdict.UNSIGNED
    assert verify(unsealed, keys=KeyRing(KEYS.hmac), demands=STRICT).outcome is Outcome.OK


# ---------------------------------------------------------------- export
def test_an_export_goes_on_where_it_ended(journal: Path, tmp_path: Path) -> None:
    folder = tmp_path / "grown"
    for hours in (10, 10, 47, 80):
        export(CHAIN.lines[: 2 * hours], folder, KEYS, ExportOptions(compression="", last_day=LastDay.OPEN))
        assert checked(folder, live=True).decisions == 2 * hours
    export(CHAIN.lines, folder, KEYS, ExportOptions(compression=""))
    whole, grown = segment_files(journal), segment_files(folder)
    assert [file.name for file in grown] == [file.name for file in whole]
    assert [file.read_bytes() for file in grown] == [file.read_bytes() for file in whole]


def test_portfolios_in_any_order_make_the_same_segments(journal: Path, tmp_path: Path) -> None:
    by_portfolio = sorted(CHAIN.lines, key=lambda raw: parse_line(raw).portfolio)
    other = segments(tmp_path / "other", KEYS, Chain(by_portfolio))
    assert [f.read_bytes() for f in segment_files(other)] == [f.read_bytes() for f in segment_files(journal)]


def test_the_last_day_can_be_left_out(tmp_path: Path) -> None:
    report = export(CHAIN.lines, tmp_path, KEYS, ExportOptions(last_day=LastDay.OMIT))
    assert (len(report.segments), report.unterminated, report.decisions) == (3, [], 144)
    assert checked(tmp_path).outcome is Outcome.OK


def test_a_size_ends_a_segment_within_its_day(tmp_path: Path) -> None:
    report = export(CHAIN.lines, tmp_path, KEYS, ExportOptions(segment_bytes=20_000))
    assert len(report.segments) > 8
    assert checked(tmp_path).segments == len(report.segments)


@pytest.mark.parametrize("damage", ["two decisions left out", "no decision"])
def test_a_broken_journal_is_not_exported(tmp_path: Path, damage: str) -> None:
    lines = CHAIN.lines[:20] + CHAIN.lines[22:] if damage != "no decision" else [*CHAIN.lines[:3], b"{}"]
    with pytest.raises(JournalDamaged, match="weir verify"):
        export(lines, tmp_path, KEYS)
    assert segment_files(tmp_path) == []


def test_another_runs_decisions_do_not_continue_a_journal(journal: Path) -> None:
    with pytest.raises(JournalDamaged, match="decision 80 of portfolio main has hash"):
        export(ChainBuilder(seed=99).build(90).lines, journal, KEYS)


def test_old_segments_go_and_what_is_left_is_still_verified_from_the_start(journal: Path) -> None:
    names = [file.name for file in segment_files(journal)]
    report = export([], journal, KEYS, ExportOptions(keep_days=1))
    assert report.removed == names[:2]
    assert (checked(journal).outcome, checked(journal).decisions) == (Outcome.OK, 64)
    segment_files(journal)[0].unlink()
    assert faults(checked(journal)) == [(Verdict.DROPPED, "hedge", 49), (Verdict.DROPPED, "main", 49)]


def test_retired_footers_cannot_be_made_up(journal: Path) -> None:
    export([], journal, KEYS, ExportOptions(keep_days=1))
    path = journal / RETIRED
    path.write_bytes(path.read_bytes().replace(b'"count":48', b'"count":47', 1))
    found = checked(journal)
    assert (found.exit_code, found.findings[0].verdict) == (2, Verdict.UNUSABLE)


def test_an_export_goes_on_after_retention(journal: Path) -> None:
    export([], journal, KEYS, ExportOptions(keep_days=1))
    more = signed_chain(KEYS, 120, ("main", "hedge"))
    export(more.lines, journal, KEYS, ExportOptions(compression=""))
    assert (checked(journal).outcome, checked(journal).heads["main"].sequence) == (Outcome.OK, 120)


# ---------------------------------------------------------------- anchors
def test_anchors_are_appended_once_and_signed(journal: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "anchors.jsonl"
    heads = head_anchors(journal)
    assert (append_anchors(path, heads, KEYS), append_anchors(path, heads, KEYS)) == (2, 0)
    assert read_anchors(path, AUDITOR) == heads
    path.write_bytes(path.read_bytes().replace(b'"sequence":80', b'"sequence":79', 1))
    with pytest.raises(JournalUnusable, match=r"anchors\.jsonl line 1: the signature is not that of key 'seal-1'"):
        read_anchors(path, AUDITOR)


def test_an_anchored_head_is_not_anchored_again_with_another_hash(journal: Path, tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    append_anchors(path, head_anchors(journal), KEYS)
    other = segments(tmp_path / "other", KEYS, signed_chain(KEYS, 80, ("main",), seed=99))
    with pytest.raises(JournalUnusable, match="it was rewritten, or belongs to another run"):
        append_anchors(path, head_anchors(other), KEYS)


def test_readers_pass_over_footers(journal: Path) -> None:
    assert sum(1 for _ in read_decisions(journal)) == 160
    footer = last_footer(segment_files(journal)[0])
    assert footer is not None
    assert [(row.portfolio, row.first, row.last) for row in footer.footer.portfolios] == [
        ("hedge", 1, 24),
        ("main", 1, 24),
    ]
