"""Where telemetry events and notifications go. None of it touches a decision (spec 13)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.configuration.base import NonNegativeFloat, PositiveFloat, Section, Slug

#: What a notification is about.
NoticeKind = Literal["transition", "rebalance", "risk", "control"]
ALL_KINDS: tuple[NoticeKind, ...] = ("transition", "rebalance", "risk", "control")


class Webhook(Section):
    """One receiver. Its address is a secret: ``url_variable`` names the environment variable that holds it."""

    name: Slug
    form: Literal["discord", "slack"]
    url_variable: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
    kinds: Annotated[list[NoticeKind], Field(min_length=1)] = list(ALL_KINDS)


class Notifications(Section):
    """``weir notify``: at most ``burst`` notifications about one thing in ``throttle_seconds`` of event time."""

    webhooks: list[Webhook] = []
    burst: Annotated[int, Field(ge=1)] = 3
    throttle_seconds: NonNegativeFloat = 3600.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    timeout_seconds: PositiveFloat = 10.0
    events_path: str | None = None
    events_topic: bool = False
    dead_letter_path: str = "notifications-dead.jsonl"

    @model_validator(mode="after")
    def _names(self) -> Notifications:
        names = [w.name for w in self.webhooks]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"notifications.webhooks: name used twice: {', '.join(twice)}")
        return self
