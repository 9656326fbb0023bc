"""Reason codes: one stable name for every clip, refusal, suppression and state change (spec 1).

A code is ``AREA_CONDITION``. Names are part of the journal's contract: add, never rename. ``docs/reason_codes.md`` is
generated from this enum (``weir schemas export``).
"""

from __future__ import annotations

from enum import IntEnum


class Reason(IntEnum):
    """The value is for compiled kernels only; messages and journals carry the name."""

    explanation: str

    def __new__(cls, value: int, explanation: str) -> Reason:
        """A member with its explanation for the generated table."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.explanation = explanation
        return member

    NONE = 0, "Nothing to report."
    # input: dead letters
    INPUT_NOT_UTF8 = 100, "The payload is not UTF-8."
    INPUT_NOT_JSON = 101, "The payload is not JSON."
    INPUT_SCHEMA = 102, "A field is missing, has the wrong type or is out of its range."
    INPUT_VERSION = 103, "The major version is not supported."
    INPUT_TYPE = 104, "The message type is unknown on this topic."
    INPUT_TOO_LARGE = 105, "The payload is larger than `max_payload_bytes`."
    INPUT_UNKNOWN_SYMBOL = 106, "The symbol is in no instrument list."
    INPUT_WRONG_PARTITION = 107, "The symbol belongs to another partition; the error names it."
    INPUT_UNKNOWN_INTERVAL = 108, "The bar's interval is used by no schedule."
    INPUT_BAD_PRICE = 109, "A price is not finite or not positive."
    INPUT_BAD_RANGE = 110, "High is below low, or open or close lies outside high and low."
    INPUT_BAD_VOLUME = 111, "The volume is negative or not finite."
    INPUT_CROSSED_QUOTE = 112, "The bid is above the ask."
    INPUT_EMPTY = 113, "The payload is empty (a tombstone) on a topic that has none."
    INPUT_LATE = 114, "The event belongs to a cycle that is closed."
    INPUT_FUTURE = 115, "The event time is more than `max_future` ahead of its record timestamp."
    INPUT_TIME_JUMP = 116, "The event time jumped more than `max_jump` and nothing confirmed it."
    # data quality
    QUALITY_NULL_RATE = 200, "Too many messages of the symbol lack a required field: degraded."
    QUALITY_STALENESS = 201, "The 95th percentile of feed delay exceeds its limit: degraded."
    QUALITY_DUPLICATES = 202, "Too many duplicates: degraded."
    QUALITY_NON_MONOTONIC = 203, "Too many events out of order: degraded."
    QUALITY_SCHEMA = 204, "Too many messages do not match the schema: degraded."
    # strategies
    STRATEGY_ERROR = 300, "The strategy raised an exception."
    STRATEGY_NOT_FINITE = 301, "The strategy answered with NaN, infinity or a confidence outside 0..1."
    STRATEGY_CIRCUIT_OPEN = 302, "Consecutive errors opened the circuit breaker."
    STRATEGY_CIRCUIT_HALF_OPEN = 303, "The circuit breaker lets one evaluation try again."
    STRATEGY_CIRCUIT_CLOSED = 304, "The circuit breaker closed after a good evaluation."
    STRATEGY_QUARANTINED = 305, "A hang was quarantined by the watchdog."
    STRATEGY_SILENT_FLAT = 306, "The schedule fell silent and its `on_silence` says flat."
    # aggregation
    INTENT_CONFLICT = 400, "Schedules of one pod disagreed on the symbol's direction."
    INTENT_CONFLICT_FLAT = 401, "Opposite intents cancelled exactly: flat."
    INTENT_OFFSET_HIGH = 402, "Pods offset each other by more than half of their gross exposure."
    # leverage
    LEVERAGE_POD_SYMBOL = 500, "Layer 1: the strength exceeds the pod's `max_leverage`."
    LEVERAGE_POD_GROSS = 501, "Layer 2: the pod's gross weight exceeds its `max_leverage`."
    LEVERAGE_PORTFOLIO_GROSS = 502, "Layer 3: the portfolio's net weights exceed `max_gross_leverage`."
    CAPITAL_REBALANCED = 510, "Capital fractions were computed anew."
    CAPITAL_UNALLOCATED = 511, "The fixed weights leave capital unallocated."
    CAPITAL_VOLATILITY_UNKNOWN = 512, "Too few returns: the policy fell back."
    POD_WIPED_OUT = 513, "The pod's equity reached zero: its targets are flat."
    # guards
    GUARD_HALTED = 600, "Trading is halted: no order leaves."
    GUARD_REDUCING = 601, "Trading is in REDUCING: only reductions pass."
    GUARD_KILLED = 602, "A kill switch covers this target."
    GUARD_POSITION_LIMIT = 603, "The position would exceed `max_position` units."
    GUARD_NOTIONAL_LIMIT = 604, "The position would exceed `max_symbol_notional`."
    GUARD_GROSS_EXPOSURE = 605, "Gross exposure including pending orders would exceed its limit."
    GUARD_STALE_PRICE = 606, "The price is older than `max_price_age`: no new risk."
    GUARD_NO_PRICE = 607, "There is no price: no order."
    GUARD_DEGRADED = 608, "The symbol's data is degraded: no new risk."
    GUARD_SHORTS_FORBIDDEN = 609, "The instrument may not be sold short."
    GUARD_NO_CONVERSION = 610, "No conversion quote into the base currency: no new risk."
    GUARD_EQUITY_EXHAUSTED = 611, "Equity is not positive: only reductions pass."
    GUARD_LAST_GOOD_PRICE = 612, "A reducing order goes at the last good price: there is no fresh one."
    GUARD_SYMBOL_REDUCING = 613, "The symbol may only be reduced: positions do not reconcile, or an operator said so."
    # routing
    ROUTE_BELOW_LOT = 700, "The delta is smaller than one lot: intent ignored."
    ROUTE_BELOW_MIN_NOTIONAL = 701, "The order is below the instrument's minimum notional."
    ROUTE_PENDING = 702, "An order of the symbol is still open."
    ROUTE_SPLIT_AT_ZERO = 703, "An order through zero was split: this part closes."
    ROUTE_CANCELLED_BY_HALT = 704, "A halt or kill takes back what is open."
    ROUTE_CANCELLED_BY_TARGET = 705, "The target turned before the order filled: it is taken back first."
    # execution reports
    FILL_DUPLICATE = 750, "An execution was reported before: not booked again."
    FILL_OVERFILL = 751, "More was filled than was open: booked as reported."
    FILL_AFTER_CLOSE = 752, "A fill came after the order was over: booked as reported."
    FILL_UNKNOWN_ORDER = 753, "A report of an order that was never sent: kept, not booked; the symbol only reduces."
    FILL_MISMATCH = 754, "A fill names another symbol or side than its order: not booked; the symbol only reduces."
    FILL_NO_PRICE = 755, "A fill has no price: not booked; the symbol only reduces."
    FILL_NOT_WHOLE_LOTS = 756, "A fill is not a whole number of lots: not booked; the symbol only reduces."
    ORDER_REJECTED = 760, "The venue refused the order: nothing new in the symbol for `reject_backoff_seconds`."
    ORDER_CANCELLED = 761, "The venue took the order back."
    ORDER_EXPIRED = 762, "The order's time in force ended."
    ORDER_UNANSWERED = 763, "The venue did not answer in `order_timeout_seconds`: the order is taken back."
    ORDER_GIVEN_UP = 764, "Nobody knows the order any more: it is no longer reserved for."
    ORDER_UNKNOWN = 765, "The account has an open order that was never sent."
    POSITION_MISMATCH = 770, "Ledger and account hold different positions: the symbol only reduces."
    POSITION_RECONCILED = 771, "Ledger and account agree."
    CASH_MISMATCH = 772, "Ledger and account differ in cash."
    # control
    CONTROL_ACCEPTED = 800, "The command was accepted."
    CONTROL_UNKNOWN_COMMAND = 801, "The command is not known."
    CONTROL_UNKNOWN_TARGET = 802, "The command names a target that does not exist."
    CONTROL_BAD_BODY = 803, "The command's body is not what it needs."
    CONTROL_DUPLICATE = 804, "A command with this id was carried out before."
    CONTROL_EXPIRED = 805, "The command expired before it took effect."
    CONTROL_NOTE_REQUIRED = 806, "Arming needs a named operator and a note."
    # state
    STATE_HEARTBEAT = 900, "Nothing happened for the heartbeat interval."
    STATE_TRADING = 901, "The trading state changed."
    STATE_KILL = 902, "A kill switch was set."
    STATE_ARMED = 903, "A kill switch was lifted by a named operator."
