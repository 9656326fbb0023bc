"""Telemetry events and webhooks against a real HTTP server: forms, throttling, retries, dead letters (spec 13)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
import numpy as np
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource, run_main
from typer.testing import CliRunner

from flows.cli.app import app
from flows.clickhouse.sink import partition_key
from flows.errors import InvalidInput
from flows.notifications.events import EVENTS, events_of
from flows.notifications.flow import NotificationSink, notify_from_journal
from flows.notifications.notices import notices_of
from flows.notifications.notifier import Counts, Notifier
from flows.notifications.webhook import MOST_CHARACTERS, payload
from operators.frames import RecordBlock
from schemas.canonical import sha256_hex
from schemas.configuration.notifications import Notifications
from tests.operators.desk import Desk, configuration, desk_of, plan_of, pod

A = "AAA"


class Hook:
    """A webhook on loopback; answers with ``answers`` in turn, then with 204."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                status, headers = hook.answers.pop(0) if hook.answers else (204, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret-token"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    made = Hook()
    monkeypatch.setenv("HOOK", made.url)
    yield made
    made.close()


def settings(tmp_path: Path, **more: Any) -> Notifications:
    hook = {"name": "desk", "form": "discord", "url_variable": "HOOK"}
    given = {"webhooks": [hook], "events_path": str(tmp_path / "events.jsonl"), **more}
    return Notifications.model_validate({"dead_letter_path": str(tmp_path / "dead.jsonl"), **given})


def lines(desk: Desk) -> list[bytes]:
    envelope = b'{"code_version":"test"}'
    return [
        b'{"body":' + body + b',"hash":"' + sha256_hex(body).encode() + b'","envelope":' + envelope + b"}"
        for body in desk.bodies["main"]
    ]


@pytest.fixture(scope="module")
def desk() -> Desk:
    """Orders, a cut, a kill and its arming, a refused command and a rebalance."""
    one = desk_of(pod("alpha"), symbols=(A,), guards={"max_position": 20.0}, initial_equity=10_000.0)
    one.cycle({A: 100.0}, {"alpha": {A: 1.0}})
    one.cycle({A: 100.0})
    one.command("kill", "symbol", A, reason="odd")
    one.cycle({A: 101.0})
    one.command("arm", "symbol", A)
    one.command("kill", "pod", "nobody")
    one.command("force_rebalance")
    one.cycle({A: 101.0}, {"alpha": {A: 0.1}})
    return one


def texts(hook: Hook) -> list[str]:
    return [b["content"] for b in hook.bodies]


class TestEvents:
    def test_a_decision_tells_of_all_that_happened_under_known_names(self, desk: Desk) -> None:
        found = [e for d in desk.decisions() for e in events_of(d)]
        assert {e.event for e in found} <= EVENTS.keys()
        assert {
            "strategy.lifecycle", "strategy.metrics", "strategy.coordinator", "coordinator.intent_received",
            "coordinator.intent_fulfilled", "order_clipped", "control.command",
        } <= {e.event for e in found}  # fmt: skip
        fulfilled = next(e for e in found if e.event == "coordinator.intent_fulfilled")
        assert (fulfilled.body["symbol"], fulfilled.body["quantity"]) == (A, 20.0)
        assert len({(e.portfolio, e.body["sequence"], e.body["n"]) for e in found}) == len(found), "each has an id"

    def test_they_are_lines_of_json_in_order(self, desk: Desk, tmp_path: Path) -> None:
        notifier = Notifier(settings(tmp_path, webhooks=[]))
        for line in lines(desk):
            notifier.take(line)
        written = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
        expected = [json.loads(msgspec.json.encode(e)) for d in desk.decisions() for e in events_of(d)]
        assert written == expected
        assert notifier.counts.events == len(expected) > 10

    def test_an_intent_that_led_to_nothing_is_ignored(self) -> None:
        one = desk_of(pod("alpha"), symbols=(A,))
        one.cycle({A: 100.0}, {"alpha": {A: 0.0}})
        assert "coordinator.intent_ignored" in [e.event for d in one.decisions() for e in events_of(d)]


class TestNotices:
    def test_transitions_rebalances_alerts_and_refusals_and_nothing_else(self, desk: Desk) -> None:
        found = [(n.kind, n.topic.partition("/")[2]) for d in desk.decisions() for n in notices_of(d)]
        assert ("transition", f"kill:symbol:{A}") in found
        assert ("rebalance", "capital") in found
        assert ("risk", f"GUARD_POSITION_LIMIT/{A}") in found
        assert ("control", "kill/CONTROL_UNKNOWN_TARGET") in found

    def test_a_quiet_cycle_tells_nobody(self) -> None:
        one = desk_of(pod("alpha"), symbols=(A,), heartbeat_cycles=1)
        one.cycle({A: 100.0})
        one.cycle({A: 101.0})
        assert notices_of(one.decisions()[-1]) == []


class TestDelivery:
    def run(self, desk: Desk, made: Notifications, pauses: list[float] | None = None) -> Counts:
        notifier = Notifier(made, sleep=(pauses if pauses is not None else []).append)
        for line in lines(desk):
            notifier.take(line)
        return notifier.counts

    def test_discord_gets_content_without_mentions(self, desk: Desk, hook: Hook, tmp_path: Path) -> None:
        counts = self.run(desk, settings(tmp_path))
        assert counts.delivered == len(hook.bodies) > 3
        assert all(b["allowed_mentions"] == {"parse": []} for b in hook.bodies)
        assert any("kill:symbol:AAA: armed -> freeze (STATE_KILL)" in text for text in texts(hook))

    def test_slack_gets_text_that_cannot_be_markup(self) -> None:
        assert json.loads(payload("slack", "<!channel> a & b")) == {"text": "&lt;!channel&gt; a &amp; b"}
        assert len(json.loads(payload("discord", "x" * 5000))["content"]) == MOST_CHARACTERS

    def test_a_receiver_gets_the_kinds_it_asked_for(self, desk: Desk, hook: Hook, tmp_path: Path) -> None:
        only = {"name": "desk", "form": "discord", "url_variable": "HOOK", "kinds": ["rebalance"]}
        self.run(desk, settings(tmp_path, webhooks=[only]))
        assert hook.bodies and all("capital by" in text for text in texts(hook))

    def test_it_tries_again_with_growing_pauses_and_as_long_as_it_is_asked_to(
        self, desk: Desk, hook: Hook, tmp_path: Path
    ) -> None:
        hook.answers = [(500, {}), (502, {}), (429, {"Retry-After": "7"}), (204, {})]
        pauses: list[float] = []
        counts = self.run(desk, settings(tmp_path), pauses)
        assert (pauses, counts.undelivered) == ([1.0, 2.0, 7.0], 0)
        assert hook.bodies[0] == hook.bodies[1] == hook.bodies[2] == hook.bodies[3]

    def test_what_is_refused_or_fails_too_often_becomes_a_dead_letter_without_the_address(
        self, desk: Desk, hook: Hook, tmp_path: Path
    ) -> None:
        hook.answers = [(404, {}), (500, {}), (500, {})]
        counts = self.run(desk, settings(tmp_path, attempts=2))
        assert (counts.undelivered, counts.delivered) == (2, len(hook.bodies) - 3)
        dead = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
        assert [d["error"] for d in dead] == ["HTTP 404", "HTTP 500"]
        assert "secret-token" not in (tmp_path / "dead.jsonl").read_text()

    def test_a_receiver_that_is_not_there(self, desk: Desk, hook: Hook, tmp_path: Path) -> None:
        hook.close()
        hook.close = lambda: None  # type: ignore[method-assign]
        counts = self.run(desk, settings(tmp_path, attempts=1))
        assert counts.delivered == 0 < counts.undelivered

    def test_an_address_that_is_missing_is_named_before_anything_is_read(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="HOOK: holds no http"):
            Notifier(settings(tmp_path))


class TestThrottling:
    def flood(self) -> Desk:
        one = Desk(plan_of(configuration(pod("alpha"), symbols=(A,))))
        one.cycle({A: 100.0})
        for _ in range(8):
            one.command("trading_state", state="REDUCING")
            one.cycle({A: 100.0})
            one.command("trading_state", state="ACTIVE")
            one.cycle({A: 100.0})
        return one

    def test_one_thing_is_told_so_often_in_a_window_and_then_how_often_it_was_not(
        self, hook: Hook, tmp_path: Path
    ) -> None:
        only = {"name": "desk", "form": "discord", "url_variable": "HOOK", "kinds": ["transition"]}
        notifier = Notifier(settings(tmp_path, webhooks=[only], burst=2, throttle_seconds=8 * 3600))
        for line in lines(self.flood()):
            notifier.take(line)
        assert len(hook.bodies) == 4, "16 transitions, 8 in a window"
        assert "(and 6 like it that were held back)" in texts(hook)[2]
        assert notifier.counts.held_back == 12

    def test_it_goes_on_from_a_snapshot_and_tells_nothing_twice(self, hook: Hook, tmp_path: Path) -> None:
        made = settings(tmp_path, burst=2, throttle_seconds=8 * 3600)
        whole, first, second = (Notifier(made) for _ in range(3))
        all_lines = lines(self.flood())
        for line in all_lines:
            whole.take(line)
        told = texts(hook)
        hook.bodies.clear()
        for line in all_lines[:7]:
            first.take(line)
        second.restore(first.snapshot())
        for line in all_lines[4:]:
            second.take(line)
        assert texts(hook) == told


class TestTheFlow:
    def test_from_blocks_of_the_decisions_topic(self, desk: Desk, hook: Hook, tmp_path: Path) -> None:
        found = [*lines(desk), b"no decision"]
        numbers = np.arange(len(found), dtype=np.int64)
        block = RecordBlock("decisions", 0, 0, len(found), numbers, numbers, found)
        told = Counts()
        flow = Dataflow("notifications")
        blocks = op.input("decisions", flow, TestingSource([block, block]))
        keyed = op.key_on("partition", blocks, lambda b: partition_key(b.partition))
        sink = NotificationSink(settings(tmp_path), 1, lambda: None, lambda: False, told)
        op.output("notify", keyed, sink)
        run_main(flow)
        assert (told.decisions, told.malformed) == (len(desk.bodies["main"]), 2), "a repeated block tells nothing"
        assert told.delivered == len(hook.bodies) > 0

    def test_from_a_journal_on_the_command_line(self, desk: Desk, hook: Hook, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "decisions.jsonl").write_bytes(b"\n".join(lines(desk)) + b"\n")
        counts = notify_from_journal(settings(tmp_path), tmp_path / "out")
        assert counts.delivered == len(hook.bodies) > 0
        made = {**configuration(pod("alpha")), "notifications": settings(tmp_path).model_dump()}
        (tmp_path / "weir.json").write_text(json.dumps(made))
        words = ["notify", "--config", str(tmp_path / "weir.json"), "--journal", str(tmp_path / "out"), "--json"]
        ended = CliRunner().invoke(app, words)
        assert ended.exit_code == 0, ended.output
        assert json.loads(ended.stdout)["delivered"] == counts.delivered
        assert CliRunner().invoke(app, words[:3]).exit_code == 2
