"""Who may command the flow (spec 13)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, model_validator

from schemas.command_signature import public_key
from schemas.configuration.base import PositiveFloat, Section, Slug
from schemas.control import Role


def _key(value: str) -> str:
    public_key(value)
    return value


class OperatorKey(Section):
    """A public key, whose it is and what it may. One operator may have several, while keys change."""

    id: Slug
    operator: Slug
    role: Role
    public_key: Annotated[str, AfterValidator(_key)]


class Operators(Section):
    """Keys that commands have to be signed with; with none, every command is obeyed as it comes.

    ``command_window_seconds``: an id is remembered for so long after the command's time, and a command that is older
    when its cycle comes is refused.
    """

    keys: list[OperatorKey] = []
    command_window_seconds: PositiveFloat = 604_800.0

    @model_validator(mode="after")
    def _ids(self) -> Operators:
        ids = [k.id for k in self.keys]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"operators.keys: id used twice: {', '.join(twice)}; give every key an id of its own")
        return self
