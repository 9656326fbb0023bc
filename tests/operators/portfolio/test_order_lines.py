"""Orders' wire values are put together from text; they must be what encoding the message gives."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from operators.portfolio.order_lines import OrderLines
from schemas.messages import SCHEMA_VERSION, Order
from tests.operators.desk import configuration, plan_of, pod

CYCLE, DECISION_ID, DECISION = 1_704_067_200_000_000_000, "d" * 32, 12
LOTS = np.array([3, -12, 1, 7])
PRICE = np.array([101.25, 1e-7, np.nan, 1e17])
LIMIT = np.array([101.0, 0.0, 2.5, 1e17])
#: of the pods alpha and beta; -1 where a pod has no share
SHARES = np.array([[1.0, -1.0], [0.123456789, 0.876543211], [-1.0, 1.0], [-1.0, -1.0]])
PLACE, REDUCING = [0, 1, 0, 1], [False, True, False, True]


def _order(plan: Any, row: int, order_type: Any) -> Order:
    instrument = plan.instruments[PLACE[row]]
    return Order(
        account="paper",
        attribution={p: s for p, s in zip(("alpha", "beta"), SHARES[row].tolist(), strict=True) if s >= 0.0},
        client_order_id=f"id{row}",
        config_hash=plan.config_hash,
        cycle=CYCLE,
        decision_id=DECISION_ID,
        decision_sequence=DECISION,
        limit_price=float(LIMIT[row]) if order_type == "limit" else None,
        order_type=order_type,
        portfolio="main",
        quantity=abs(float(LOTS[row]) * 0.01),
        reducing=REDUCING[row],
        reference_price=float(PRICE[row]),
        sequence=40 + row,
        side="buy" if LOTS[row] > 0 else "sell",
        stop_price=None,
        symbol=instrument.symbol,
        time_in_force="day",
        v=SCHEMA_VERSION,
        venue=instrument.venue,
    )


@pytest.mark.parametrize("order_type", ["market", "limit"])
def test_a_line_is_the_encoded_order(order_type: str) -> None:
    symbols = [{"symbol": "AAA", "venue": 'a "quoted" venue'}, {"symbol": "BBB", "venue": "Zürich"}]
    execution = {"slippage_bps": 0, "order_type": order_type}
    plan = plan_of(configuration(pod("alpha"), pod("beta"), symbols=symbols, execution=execution))
    lines = OrderLines(plan, 0)
    texts = lines.texts(PLACE, LOTS, LOTS * 0.01, PRICE, LIMIT, REDUCING, SHARES)
    ids = [f"id{row}" for row in range(4)]

    made = lines.lines(texts, slice(0, 4), ids, (CYCLE, DECISION_ID, DECISION), 40)

    assert made == [msgspec.json.encode(_order(plan, row, order_type)) for row in range(4)]
    # A decision takes its rows out of a run's.
    assert lines.lines(texts, slice(2, 3), ids[2:3], (CYCLE, DECISION_ID, DECISION), 42) == made[2:3]
