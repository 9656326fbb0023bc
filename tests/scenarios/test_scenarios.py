"""Scenarios: each a short story in prices, wishes and commands, with what a reader expects of it.

The orders of each are golden: their number and a hash stand in ``golden.json``. ``WEIR_UPDATE_GOLDEN=1`` rewrites it;
look at the difference before you commit it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.operators.desk import Desk, desk_of, pod

BOTH = ("AAA", "BBB")
GOLDEN = Path(__file__).parent / "golden.json"
#: What the configuration's hash goes into: a new key with a default must not change a story.
NAMED_BY_HASH = ("client_order_id", "config_hash", "decision_id")


def opposing_pods() -> Desk:
    """A trend up and down: one pod follows it, the other leans against it with half the strength."""
    desk = desk_of(pod("follow"), pod("lean"), execution={"slippage_bps": 5})
    for n, price in enumerate((100.0, 104.0, 108.0, 112.0, 108.0, 103.0, 99.0, 95.0)):
        side = 1.0 if n < 4 else -1.0
        wants = {"follow": {"AAA": side}, "lean": {"AAA": -side / 2}} if n in (0, 4) else {}
        desk.cycle({"AAA": price}, wants)
    assert desk.position("AAA") < 0, "the trend follower is the stronger one, and the trend has turned"
    return desk


def kill_during_a_run() -> Desk:
    """An operator kills a pod that lost its way; nothing comes back by itself when it is armed."""
    desk = desk_of(pod("alpha"), pod("beta"))
    desk.cycle({"AAA": 100.0}, {"alpha": {"AAA": 1.0}, "beta": {"AAA": 0.5}})
    desk.cycle({"AAA": 101.0})
    desk.command("kill", "pod", "alpha", mode="flatten")
    desk.cycle({"AAA": 99.0}, {"alpha": {"AAA": 1.0}})
    desk.cycle({"AAA": 98.0})
    desk.command("arm", "pod", "alpha")
    for price in (97.0, 96.0):
        desk.cycle({"AAA": price})
    assert desk.ledger().attributed[0, 0] == 0.0
    assert desk.position("AAA") == 2500.0
    return desk


def stale_symbol() -> Desk:
    """A feed dies: its symbol takes no new risk, and leaves at the last good price when its kill switch flattens it."""
    desk = desk_of(pod("alpha"), symbols=BOTH, guards={"max_price_age_seconds": 1800})
    desk.cycle(dict.fromkeys(BOTH, 100.0), {"alpha": {"AAA": 1.0, "BBB": 1.0}})
    desk.cycle(dict.fromkeys(BOTH, 100.0))
    desk.cycle({"BBB": 101.0})
    desk.command("kill", "symbol", "AAA", mode="flatten")
    desk.cycle({"BBB": 102.0})
    assert desk.orders[-1]["symbol"] == "AAA" and desk.orders[-1]["reducing"]
    desk.cycle({"AAA": 90.0, "BBB": 102.0})
    assert desk.position("AAA") == 0.0
    return desk


def cap_binding() -> Desk:
    """A second bet makes the leverage cap bind: the first shrinks, and is not traded up when the second leaves."""
    own = [pod("a", {"id": "a", "symbols": ["AAA"]}), pod("b", {"id": "b", "symbols": ["BBB"]})]
    desk = desk_of(*own, symbols=BOTH, max_gross_leverage=0.8)
    flat = dict.fromkeys(BOTH, 100.0)
    desk.cycle(flat, {"a": {"AAA": 1.0}})
    desk.cycle(flat, {"b": {"BBB": 1.0}})
    desk.cycle(flat, {"b": {"BBB": 0.0}})
    desk.cycle(flat)
    assert (desk.position("AAA"), desk.position("BBB")) == (4000.0, 0.0)
    return desk


STORIES = (opposing_pods, kill_during_a_run, stale_symbol, cap_binding)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: str(story.__name__))
def test_story_ends_as_told_and_replays_over_snapshots(story: Callable[[], Desk]) -> None:
    desk = story()
    assert desk.replayed([2, 3], snapshots=True).orders == desk.orders


def digest(desk: Desk) -> dict[str, Any]:
    """Number of orders and cancels, and a hash over them, ids aside."""
    plain = [{k: v for k, v in order.items() if k not in NAMED_BY_HASH} for order in desk.orders]
    return {
        "orders": len(plain),
        "sha256": hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest(),
    }


def test_orders_are_the_golden_ones() -> None:
    found = {story.__name__: digest(story()) for story in STORIES}
    if os.environ.get("WEIR_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps(found, indent=2) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert sorted(golden) == sorted(found), "a story without golden orders, or golden orders without a story"
    for name, orders in found.items():
        assert orders == golden[name], f"{name}: its orders changed; look at them, then run with WEIR_UPDATE_GOLDEN=1"


def test_one_lot_more_changes_the_hash() -> None:
    desk = STORIES[0]()
    before = digest(desk)
    desk.orders[0] = {**desk.orders[0], "quantity": desk.orders[0]["quantity"] + 0.01}
    assert digest(desk) != before
