"""What operators have set beside trading state and kill switches: limits, the restricted list, retired pods, capital,
a configuration that waits for the next start (spec 6, 7)."""

from __future__ import annotations

from typing import Any, NamedTuple

from operators.allocate.capital import Capital
from schemas.canonical import document_hash
from schemas.configuration.load import config_hash, parse_configuration
from schemas.control import parse_body
from schemas.messages import ControlCommand
from schemas.reasons import Reason


class Moved(NamedTuple):
    """A transition that a command made."""

    subject: str
    before: str
    after: str
    reason: Reason


class StandingOrders:
    """Obeys accepted commands that outlive their cycle.

    Attributes:
        limits: limits of the risk gate that replace the configured ones, None where one is off.
        restricted: symbols in which only reductions pass.
        retired: pods that an operator retired.
        pending: the configuration that waits for the next start: id, operator, config_hash and document.
    """

    def __init__(self, configured: dict[str, Any]) -> None:
        self._configured = configured
        self.limits: dict[str, float | None] = {}
        self.restricted: dict[str, None] = {}
        self.retired: dict[str, None] = {}
        self.pending: dict[str, Any] | None = None

    def obey(self, command: ControlCommand, capital: Capital) -> Moved | None:
        """Carries an accepted command out; what it changed."""
        body = parse_body(command)
        name = command.target.name
        match command.command:
            case "force_rebalance":
                capital.force()
            case "skip_rebalance":
                capital.skip_next()
            case "swap_policy":
                before = capital.policy_name
                capital.swap(body.policy, rebalance=body.rebalance, adopt_interval=body.adopt_interval)
                return Moved("capital:policy", before, capital.policy_name, Reason.STATE_CAPITAL_POLICY)
            case "set_interval":
                seconds = capital.interval_seconds
                capital.set_interval(body.seconds)
                after = f"{capital.interval_seconds:g} s"
                return Moved("capital:interval", f"{seconds:g} s", after, Reason.STATE_CAPITAL_POLICY)
            case "set_risk_limit" | "clear_risk_limit":
                return self._limit(body.limit, command)
            case "restrict" if name not in self.restricted:
                self.restricted[name] = None
                return Moved(f"restricted:{name}", "free", "restricted", Reason.STATE_RESTRICTED)
            case "unrestrict" if name in self.restricted:
                del self.restricted[name]
                return Moved(f"restricted:{name}", "restricted", "free", Reason.STATE_UNRESTRICTED)
            case "retire_pod" if name not in self.retired:
                self.retired[name] = None
                return Moved(f"pod:{name}", "at work", "RETIRED", Reason.STATE_POD_RETIRED)
            case "configure":
                return self._configure(command, body.document)
        return None

    def _limit(self, name: str, command: ControlCommand) -> Moved | None:
        before = self._limit_words(name)
        if command.command == "set_risk_limit":
            self.limits[name] = command.body["value"]
        else:
            self.limits.pop(name, None)
        after = self._limit_words(name)
        return None if before == after else Moved(f"limit:{name}", before, after, Reason.STATE_RISK_LIMIT)

    def _limit_words(self, name: str) -> str:
        value = self.limits.get(name, self._configured[name])
        return "off" if value is None else f"{value:.12g}"

    def _configure(self, command: ControlCommand, document: dict[str, Any]) -> Moved:
        before = "none" if self.pending is None else str(self.pending["config_hash"])
        self.pending = {
            "config_hash": config_hash(parse_configuration(document)),
            "document": document,
            "document_hash": document_hash(document),
            "id": command.id,
            "operator": command.operator,
        }
        after = str(self.pending["config_hash"])
        return Moved("configuration:pending", before, after, Reason.STATE_CONFIGURATION_PENDING)

    def snapshot(self) -> dict[str, Any]:
        """Everything that is set."""
        return {
            "limits": dict(self.limits),
            "restricted": list(self.restricted),
            "retired": list(self.retired),
            "pending": self.pending,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        self.limits = dict(snapshot["limits"])
        self.restricted = dict.fromkeys(snapshot["restricted"])
        self.retired = dict.fromkeys(snapshot["retired"])
        self.pending = snapshot["pending"]
