"""Whether a command comes from someone who may give it: Ed25519 over canonical bytes, keys from the configuration
(spec 13). Verification is a pure function of the command, so a replay needs no secret."""

from __future__ import annotations

from schemas.command_signature import is_signed_by, public_key
from schemas.configuration.operators import Operators
from schemas.control import COMMANDS, ROLES, least_role
from schemas.messages import ControlCommand
from schemas.reasons import Reason


class Authority:
    """Checks commands against the configured keys; without any, everyone may command."""

    def __init__(self, operators: Operators) -> None:
        self._keys = {k.id: (k.operator, k.role, public_key(k.public_key)) for k in operators.keys}

    def refusal(self, command: ControlCommand) -> tuple[Reason, str] | None:
        """Why a command is refused; None where it may be judged further."""
        if not self._keys:
            return None
        if not command.signature or not command.key_id:
            return Reason.CONTROL_UNSIGNED, "sign it: set key_id and signature, as `weir` does with --key"
        found = self._keys.get(command.key_id)
        if found is None:
            return Reason.CONTROL_UNKNOWN_KEY, f"key_id {command.key_id!r} is not in operators.keys"
        operator, role, key = found
        if command.operator != operator:
            return Reason.CONTROL_UNKNOWN_KEY, f"key_id {command.key_id!r} is {operator}'s, not {command.operator}'s"
        if not is_signed_by(command, key):
            return Reason.CONTROL_BAD_SIGNATURE, f"not signed by key {command.key_id!r}: it was altered, or another key"
        # A command that nobody knows is refused for that, whoever gives it.
        least = least_role(command) if command.command in COMMANDS else ROLES[0]
        if ROLES.index(role) < ROLES.index(least):
            return Reason.CONTROL_FORBIDDEN, f"{operator} is {role}; {command.command} needs {least}"
        return None
