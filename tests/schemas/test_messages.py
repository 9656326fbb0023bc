"""Wire messages: what is ignored, what is refused, and what a missing version means (spec 1)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from schemas.messages import TOPIC_MESSAGES, Bar, ClockTick, ControlCommand, Quote

BAR = {"type": "bar", "symbol": "AAA", "ts": 1, "open": 1, "high": 2, "low": 1, "close": 2}
KILL = {
    "type": "control", "id": "k", "command": "kill", "operator": "ada", "ts": 1, "portfolio": "main",
    "target": {"scope": "global"},
}  # fmt: skip
OVERLAY = {"type": "overlay", "portfolio": "main", "ts": 1, "kind": "regime", "body": {}}
SIGNAL = {"type": "signal", "model": "m", "symbol": "AAA", "ts": 1, "strength": 0.5}
REPORT = {
    "type": "execution_report", "portfolio": "main", "client_order_id": "c", "ts": 1, "status": "filled",
    "symbol": "AAA", "side": "buy",
}  # fmt: skip


def decode(topic: str, message: dict[str, Any]) -> Any:
    return msgspec.json.decode(json.dumps(message), type=TOPIC_MESSAGES[topic])


@pytest.mark.parametrize(("topic", "message"), [("market", BAR), ("signals", SIGNAL), ("fills", REPORT)])
def test_market_signal_and_fill_messages_ignore_unknown_fields(topic: str, message: dict[str, Any]) -> None:
    assert decode(topic, {**message, "colour": "red"}) == decode(topic, message)


@pytest.mark.parametrize(("topic", "message"), [("control", KILL), ("overlay", OVERLAY)])
def test_control_and_overlay_messages_refuse_them(topic: str, message: dict[str, Any]) -> None:
    decode(topic, message)
    with pytest.raises(msgspec.ValidationError, match="colour"):
        decode(topic, {**message, "colour": "red"})


def test_a_commands_target_refuses_them_too() -> None:
    with pytest.raises(msgspec.ValidationError, match="nam"):
        decode("control", {**KILL, "target": {"scope": "pod", "nam": "alpha"}})


def test_no_version_means_1() -> None:
    assert decode("market", BAR).v == 1
    assert decode("market", {**BAR, "v": 2}).v == 2


def test_a_bar_is_final_unless_it_says_otherwise() -> None:
    assert decode("market", BAR).final
    assert not decode("market", {**BAR, "final": False}).final


@pytest.mark.parametrize(
    "change", [{"close": 0}, {"close": -1}, {"ts": -1}, {"ts": 2**63}, {"symbol": ""}, {"volume": -1}, {"close": "2"}]
)
def test_values_out_of_their_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode("market", {**BAR, **change})


def test_every_topic_takes_clock_ticks() -> None:
    for topic in TOPIC_MESSAGES:
        assert decode(topic, {"type": "clock_tick", "ts": 5}) == ClockTick(ts=5)


def test_the_type_chooses_the_message() -> None:
    assert isinstance(decode("market", BAR), Bar)
    assert isinstance(decode("market", {"type": "quote", "symbol": "AAA", "ts": 1, "bid": 1, "ask": 2}), Quote)
    assert isinstance(decode("control", KILL), ControlCommand)
    with pytest.raises(msgspec.ValidationError):
        decode("market", KILL)
