"""What holds signals back on their way to netting: limits, suspensions, windows (spec 3)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from operators.pods.signal_gate import inside
from schemas.configuration.signals import TimeWindow
from tests.operators.desk import DAY, HOUR, START, Desk, clips, desk_of, pod, weights

AAA, BBB, CCC = "AAA", "BBB", "CCC"
ALL = {AAA: 100.0, BBB: 100.0, CCC: 100.0}


def desk(*, portfolio: dict[str, Any] | None = None, **schedule: Any) -> Desk:
    """One pod ``alpha`` with one schedule ``alpha`` over three symbols: a strength of 1 weighs 1/3."""
    return desk_of(pod("alpha", {"id": "alpha", **schedule}), symbols=(AAA, BBB, CCC), **(portfolio or {}))


def wanted(**targets: float | tuple[float, float]) -> dict[str, dict[str, Any]]:
    return {"alpha": dict(targets)}


def changed(decision: Any) -> dict[str, float]:
    """Pod weights that a decision changed, in thirds, by symbol."""
    return {symbol: round(weight * 3, 6) for (_, symbol), weight in weights(decision).items()}


def told(decision: Any) -> list[tuple[str, str]]:
    """(reason, schedule) of a decision's events."""
    return [] if decision is None else [(e["reason"], e["schedule"]) for e in decision.events or []]


class TestMaxSignals:
    def test_the_most_confident_pass_then_the_first_by_name(self) -> None:
        one = desk(max_signals=2)
        found = one.cycle(ALL, wanted(AAA=(1, 0.5), BBB=(1, 0.9), CCC=(1, 0.5)))
        assert changed(found) == {AAA: 0.5, BBB: 0.9}
        assert clips(found) == [("SIGNAL_LIMITED", CCC, pytest.approx(0.5 / 3), 0.0)]

    def test_defect_it_counts_per_schedule_and_cycle_not_per_symbol(self) -> None:
        """Applied per symbol it limits nothing."""
        found = desk(max_signals=1).cycle(ALL, wanted(AAA=1, BBB=1, CCC=1))
        assert len(changed(found)) == 1

    def test_it_holds_over_key_groups(self) -> None:
        one = desk_of(pod("alpha", {"id": "alpha", "max_signals": 1}), symbols=(AAA, BBB, CCC), partitions=3)
        assert changed(one.cycle(ALL, wanted(AAA=1, BBB=1, CCC=1))) == {AAA: 1.0}

    def test_defect_an_exit_is_never_dropped_by_a_limit(self) -> None:
        one = desk(max_signals=1)
        for symbol in ALL:
            one.cycle(ALL, wanted(**{symbol: 1}))
        found = one.cycle(ALL, wanted(AAA=0, BBB=0.5, CCC=0))
        assert changed(found) == {AAA: 0.0, BBB: 0.5, CCC: 0.0}
        assert clips(found) == []

    def test_a_limit_of_zero_lets_only_reductions_pass(self) -> None:
        assert changed(desk(max_signals=0).cycle(ALL, wanted(AAA=1))) == {}

    def test_of_a_change_of_side_the_way_to_flat_passes(self) -> None:
        one = desk(max_signals=1)
        one.cycle(ALL, wanted(AAA=1))
        found = one.cycle(ALL, wanted(AAA=(-1, 0.5), BBB=(1, 0.9)))
        assert changed(found) == {AAA: 0.0, BBB: 0.9}
        assert clips(found) == [("SIGNAL_LIMITED", AAA, pytest.approx(-0.5 / 3), 0.0)]

    def test_an_increase_that_waits_leaves_what_stands(self) -> None:
        one = desk(max_signals=1)
        one.cycle(ALL, wanted(AAA=0.5))
        found = one.cycle(ALL, wanted(AAA=(0.8, 0.8), BBB=(1, 0.9)))
        assert changed(found) == {BBB: 0.9}
        assert clips(found) == [("SIGNAL_LIMITED", AAA, pytest.approx(0.64 / 3), pytest.approx(0.5 / 3))]

    def test_what_waited_passes_with_its_next_change(self) -> None:
        one = desk(max_signals=1)
        one.cycle(ALL, wanted(AAA=(1, 0.9), BBB=(1, 0.5)))
        assert changed(one.cycle(ALL)) == {}
        assert changed(one.cycle(ALL, wanted(BBB=(1, 0.6)))) == {BBB: 0.6}


def suspend(one: Desk, scope: str = "schedule", name: str = "alpha", **body: Any) -> None:
    one.command("suspend", scope, name, body=body)


class TestSuspensions:
    def test_only_reductions_pass(self) -> None:
        one = desk()
        one.cycle(ALL, wanted(AAA=1, BBB=-1))
        suspend(one)
        found = one.cycle(ALL, wanted(AAA=0.5, BBB=-2, CCC=1))
        assert changed(found) == {AAA: 0.5}
        assert [c[:2] for c in clips(found)] == [("SIGNAL_SUSPENDED", BBB), ("SIGNAL_SUSPENDED", CCC)]
        assert told(found) == [("SCHEDULE_SUSPENDED", "alpha")]

    def test_a_suppressed_entry_waits_for_the_next_change_after_resuming(self) -> None:
        one = desk()
        suspend(one)
        one.cycle(ALL, wanted(AAA=1))
        one.command("resume", "schedule", "alpha")
        found = one.cycle(ALL)
        assert told(found) == [("SCHEDULE_RESUMED", "alpha")]
        assert changed(found) == {}
        assert changed(one.cycle(ALL, wanted(AAA=0.5))) == {AAA: 0.5}

    def test_on_resume_the_pod_stands_at_the_hypothetical_target_where_that_reduced(self) -> None:
        """Its state follows the market: long, short (suppressed beyond flat), flat again."""
        one = desk()
        one.cycle(ALL, wanted(AAA=1))
        suspend(one)
        assert changed(one.cycle(ALL, wanted(AAA=-1))) == {AAA: 0.0}
        one.cycle(ALL, wanted(AAA=0.25))
        one.command("resume", "schedule", "alpha")
        assert changed(one.cycle(ALL)) == {}
        assert one.position(AAA) == 0.0

    def test_defect_an_exit_while_suspended_does_not_leave_the_pod_holding_for_ever(self) -> None:
        one = desk()
        one.cycle(ALL, wanted(AAA=1))
        suspend(one)
        one.cycle(ALL, wanted(AAA=0))
        one.cycle(ALL)
        assert one.position(AAA) == 0.0

    def test_it_ends_at_the_first_cycle_at_or_after_its_end_and_says_so(self) -> None:
        one = desk()
        suspend(one, duration_seconds=5400)
        one.cycle(ALL, wanted(AAA=1))
        assert told(one.cycle(ALL, wanted(AAA=0.9))) == []
        found = one.cycle(ALL, wanted(AAA=0.8))
        assert told(found) == [("SCHEDULE_SUSPENSION_EXPIRED", "alpha")]
        assert changed(found) == {AAA: 0.8}, "in force while now < until"

    def test_it_expires_in_a_cycle_in_which_nothing_else_happens(self) -> None:
        one = desk()
        suspend(one, duration_seconds=2 * 3600)
        one.cycle(ALL)
        one.play([type(one.rows[0])(START + 9 * HOUR, {}, {}, frozenset(), [])])
        ended = [(d.cycle, e["reason"]) for d in one.decisions() for e in d.events or []]
        assert ended == [(START + HOUR, "SCHEDULE_SUSPENDED"), (START + 3 * HOUR, "SCHEDULE_SUSPENSION_EXPIRED")]

    @pytest.mark.parametrize("duration", [0, -1])
    def test_a_duration_of_zero_or_less_holds_until_resumed(self, duration: float) -> None:
        one = desk()
        suspend(one, duration_seconds=duration)
        one.cycle(ALL, hours=1000)
        assert changed(one.cycle(ALL, wanted(AAA=1))) == {}

    def test_until_wins_over_the_duration(self) -> None:
        one = desk()
        until = datetime.fromtimestamp((START + 2 * HOUR) / 1e9, UTC).isoformat()
        suspend(one, until=until, duration_seconds=1e9)
        one.cycle(ALL)
        assert told(one.cycle(ALL)) == [("SCHEDULE_SUSPENSION_EXPIRED", "alpha")]

    def test_a_tag_suspends_every_schedule_that_has_it(self) -> None:
        own = [{"id": "a", "tags": ["x"]}, {"id": "b", "tags": ["y", "x"]}, {"id": "c", "tags": ["y"]}]
        one = desk_of(pod("alpha", *own))
        suspend(one, "tag", "x")
        found = one.cycle({AAA: 100.0}, {n: {AAA: 1} for n in "abc"})
        assert told(found) == [("SCHEDULE_SUSPENDED", "a"), ("SCHEDULE_SUSPENDED", "b")]
        assert weights(found) == {("alpha", AAA): pytest.approx(1 / 3)}

    def test_a_schedules_own_record_wins_over_its_tags(self) -> None:
        """Its own end counts for what is shown; the tag holds on after it."""
        one = desk(tags=["x"])
        suspend(one, "tag", "x")
        suspend(one, duration_seconds=3600)
        one.cycle(ALL)
        (state,) = one.pods[0].schedule_states()
        assert (state.suspended, state.by_tag, state.until) == (True, False, START + 2 * HOUR)
        one.cycle(ALL)
        (state,) = one.pods[0].schedule_states()
        assert (state.suspended, state.by_tag, state.until) == (True, True, None)

    def test_initial_ones_apply_before_the_first_cycle(self) -> None:
        record = {"tag": "new", "duration_seconds": 3600, "reason": "not yet"}
        one = desk(tags=["new"], portfolio={"initial_suspensions": [record]})
        first = one.cycle(ALL, wanted(AAA=1))
        assert changed(first) == {}
        assert told(first) == [("SCHEDULE_SUSPENDED", "alpha")]
        assert first is not None and "not yet" in (first.events or [{}])[0]["detail"]
        assert told(one.cycle(ALL)) == [("SCHEDULE_SUSPENSION_EXPIRED", "alpha")]

    def test_one_that_had_ended_before_the_first_cycle_ends_there(self) -> None:
        record = {"schedule": "alpha", "until": "2001-01-01T00:00:00+00:00"}
        one = desk(portfolio={"initial_suspensions": [record]})
        found = one.cycle(ALL, wanted(AAA=1))
        assert told(found) == [("SCHEDULE_SUSPENDED", "alpha"), ("SCHEDULE_SUSPENSION_EXPIRED", "alpha")]
        assert changed(found) == {AAA: 1.0}

    def test_a_kill_switch_and_a_suspension_do_not_forget_each_other(self) -> None:
        one = desk()
        one.cycle(ALL, wanted(AAA=1))
        one.command("kill", "schedule", "alpha", mode="freeze")
        suspend(one)
        one.cycle(ALL, wanted(AAA=0))
        one.command("resume", "schedule", "alpha")
        assert changed(one.cycle(ALL)) == {}, "frozen: its target stands"
        one.command("arm", "schedule", "alpha")
        assert changed(one.cycle(ALL)) == {AAA: 0.0}


def limit(one: Desk, number: Any, profile: str = "balanced", **body: Any) -> None:
    one.command("set_limit", "strategy", "sma_cross", body={"risk_profile": profile, "limit": number, **body})


class TestLimits:
    def test_it_overrides_max_signals_until_it_is_cleared(self) -> None:
        one = desk(max_signals=1)
        limit(one, 2)
        found = one.cycle(ALL, wanted(AAA=1, BBB=1, CCC=1))
        assert len(changed(found)) == 2
        assert told(found) == [("SIGNAL_LIMIT_SET", "alpha")]
        one.command("clear_limit", "strategy", "sma_cross", body={"risk_profile": "balanced"})
        found = one.cycle(ALL, wanted(AAA=1.5, BBB=1.5, CCC=1.5))
        assert told(found) == [("SIGNAL_LIMIT_CLEARED", "alpha")]
        assert len([c for c in clips(found) if c[0] == "SIGNAL_LIMITED"]) == 2

    def test_it_expires_on_event_time_and_says_so(self) -> None:
        one = desk()
        limit(one, 0, duration_seconds=3600)
        assert changed(one.cycle(ALL, wanted(AAA=1))) == {}
        found = one.cycle(ALL, wanted(AAA=0.5))
        assert told(found) == [("SIGNAL_LIMIT_EXPIRED", "alpha")]
        assert changed(found) == {AAA: 0.5}

    def test_it_is_for_one_risk_profile(self) -> None:
        own = [{"id": "a", "risk_profile": "calm"}, {"id": "b", "risk_profile": "wild"}]
        one = desk_of(pod("alpha", *own))
        limit(one, 0, "wild")
        found = one.cycle({AAA: 100.0}, {"a": {AAA: 1}, "b": {AAA: 1}})
        assert told(found) == [("SIGNAL_LIMIT_SET", "b")]
        assert weights(found) == {("alpha", AAA): 0.5}

    def test_initial_ones_apply_before_the_first_cycle(self) -> None:
        record = {"strategy": "sma_cross", "risk_profile": "balanced", "limit": 1, "reason": "bootstrap"}
        one = desk(portfolio={"initial_signal_limits": [record]})
        assert len(changed(one.cycle(ALL, wanted(AAA=1, BBB=1)))) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("command", "scope", "name", "body", "reason"),
        [
            ("suspend", "schedule", "nobody", {}, "CONTROL_UNKNOWN_TARGET"),
            ("suspend", "tag", "nothing", {}, "CONTROL_UNKNOWN_TARGET"),
            ("suspend", "symbol", AAA, {}, "CONTROL_UNKNOWN_TARGET"),
            ("suspend", "schedule", "alpha", {"untill": 1}, "CONTROL_BAD_BODY"),
            ("suspend", "schedule", "alpha", {"until": "tomorrow"}, "CONTROL_BAD_BODY"),
            ("suspend", "schedule", "alpha", {"until": "2024-01-01T00:00:00"}, "CONTROL_BAD_BODY"),
            ("suspend", "schedule", "alpha", {"duration_seconds": True}, "CONTROL_BAD_BODY"),
            ("suspend", "schedule", "alpha", {"duration_seconds": "1h"}, "CONTROL_BAD_BODY"),
            ("set_limit", "strategy", "sma_cross", {"risk_profile": "balanced"}, "CONTROL_BAD_BODY"),
            ("set_limit", "strategy", "sma_cross", {"risk_profile": "balanced", "limit": -1}, "CONTROL_BAD_BODY"),
            ("set_limit", "strategy", "sma_cross", {"risk_profile": "balanced", "limit": 1.5}, "CONTROL_BAD_BODY"),
            ("set_limit", "strategy", "sma_cross", {"risk_profile": "other", "limit": 1}, "CONTROL_BAD_BODY"),
            ("clear_limit", "strategy", "sma_cross", {}, "CONTROL_BAD_BODY"),
        ],
    )
    def test_a_bad_command_is_refused_with_its_reason_and_changes_nothing(
        self, command: str, scope: str, name: str, body: dict[str, Any], reason: str
    ) -> None:
        one = desk()
        one.command(command, scope, name, body=body)
        found = one.cycle(ALL, wanted(AAA=1))
        assert found is not None and [c["verdict"] for c in found.commands or []] == [reason]
        assert changed(found) == {AAA: 1.0}


class TestWindows:
    @pytest.mark.parametrize(
        ("window", "hours"),
        [
            ({"start": "08:00", "end": "16:30"}, {8, 9, 10, 11, 12, 13, 14, 15, 16}),
            ({"start": "22:00", "end": "02:00"}, {22, 23, 0, 1}),
            ({"start": "22:00", "end": "02:00", "days": ["mon"]}, {22, 23}),
            ({"start": "22:00", "end": "02:00", "days": ["sun"]}, {0, 1}),
            ({"start": "08:00", "end": "10:00", "days": ["tue"]}, set()),
        ],
        ids=str,
    )
    def test_hours_of_monday_1_january_2024(self, window: dict[str, Any], hours: set[int]) -> None:
        cycles = START + np.arange(24, dtype=np.int64) * HOUR
        assert set(np.flatnonzero(inside(TimeWindow(**window), cycles)).tolist()) == hours
        assert DAY == 24 * HOUR

    def test_outside_only_reductions_pass_and_an_entry_waits(self) -> None:
        one = desk(window={"start": "02:00", "end": "04:00"})
        before = one.cycle(ALL, wanted(AAA=1))
        assert changed(before) == {} and clips(before)[0][0] == "SIGNAL_OUTSIDE_WINDOW"
        assert changed(one.cycle(ALL)) == {}, "02:00: the window opens, the entry waits for its next change"
        assert changed(one.cycle(ALL, wanted(AAA=0.5))) == {AAA: 0.5}
        assert changed(one.cycle(ALL, wanted(AAA=0.2, BBB=1))) == {AAA: 0.2}, "04:00 is outside"


@pytest.mark.parametrize("snapshots", [False, True])
def test_any_cut_and_any_restart_gives_the_same_decisions(snapshots: bool) -> None:
    record = {"tag": "new", "duration_seconds": 4 * 3600}
    one = desk(tags=["new"], max_signals=1, portfolio={"initial_suspensions": [record]})
    for hour in range(24):
        if hour == 8:
            suspend(one, duration_seconds=2.5 * 3600)
        if hour == 14:
            limit(one, 0, duration_seconds=3600)
        step = (hour * 7) % 5 - 2
        one.cycle(ALL, wanted(AAA=step / 2, BBB=(-step / 4, 0.5)) if hour % 3 else None)
    assert len(one.decisions()) > 15
    assert one.replayed(range(1, 24), snapshots).bodies == one.bodies
    assert one.replayed([5, 9, 10, 17], snapshots).bodies == one.bodies
