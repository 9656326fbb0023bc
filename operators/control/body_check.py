"""Whether a command's body is one that it can work with: its type, and what it names (spec 13)."""

from __future__ import annotations

from collections.abc import Sequence

from operators.control.risk_limits import limit_problem
from operators.control.signal_commands import until_problem
from operators.plan import SchedulePlan
from schemas.configuration.capital import fixed_weight_problems, parse_policy
from schemas.configuration.load import ConfigurationError, parse_configuration
from schemas.configuration.portfolio import Portfolio, traded_by
from schemas.control import (
    BodyError,
    Document,
    Hold,
    Policy,
    RiskLimit,
    RiskLimitName,
    SignalLimit,
    SignalLimitKey,
    parse_body,
)
from schemas.messages import ControlCommand

#: So many faults of a configuration are told.
_MOST_FAULTS = 5


class BodyCheck:
    """What a portfolio's commands may name."""

    def __init__(self, portfolio: Portfolio, schedules: Sequence[SchedulePlan]) -> None:
        self._profiles = frozenset((s.strategy_id, s.settings.risk_profile) for s in schedules)
        self._traded = traded_by(portfolio.pods)

    def check(self, command: ControlCommand) -> None:
        """Raises :class:`BodyError` for a body of a known command that cannot be used."""
        body = parse_body(command)
        problem = None
        if isinstance(body, SignalLimit | SignalLimitKey):
            problem = self._profile_problem(command.target.name, body.risk_profile)
        if isinstance(body, Hold):
            problem = problem or until_problem(body.until)
        elif isinstance(body, RiskLimit):
            problem = limit_problem(body.limit, body.value)
        elif isinstance(body, RiskLimitName):
            problem = limit_problem(body.limit)
        elif isinstance(body, Policy):
            problem = self._policy_problem(body)
        elif isinstance(body, Document):
            problem = _document_problem(body)
        if problem is not None:
            raise BodyError(problem)

    def _profile_problem(self, strategy: str, profile: str) -> str | None:
        if (strategy, profile) in self._profiles:
            return None
        return f"no schedule has strategy {strategy!r} and risk_profile {profile!r}"

    def _policy_problem(self, body: Policy) -> str | None:
        try:
            problems = fixed_weight_problems(parse_policy(body.policy), self._traded)
        except ValueError as fault:
            return f"policy: {fault}"
        return "policy: " + "; ".join(problems) if problems else None


def _document_problem(body: Document) -> str | None:
    try:
        parse_configuration(body.document, "document")
    except ConfigurationError as error:
        told = error.problems[:_MOST_FAULTS]
        more = len(error.problems) - len(told)
        return "document: " + "; ".join(told) + (f"; and {more} more" if more else "")
    return None
