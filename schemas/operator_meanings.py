"""Units and meanings of the operators' keys and of notifications, for ``docs/configuration.md``."""

from __future__ import annotations

from typing import Final

#: As ``SECTIONS`` of :mod:`schemas.configuration_page`.
OPERATOR_SECTIONS: Final = (
    ("Operators", "`operators`", "Who may command the flow; see [operations](operations.md#who-may-command)."),
    ("OperatorKey", "`operators.keys[]`", "A public key with its role. With none, every command is obeyed."),
    ("Notifications", "`notifications`", "Of `weir notify`; see [operations](operations.md#notifications)."),
    ("Webhook", "`notifications.webhooks[]`", "One receiver."),
)

#: As ``MEANINGS`` of :mod:`schemas.configuration_page`.
OPERATOR_MEANINGS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Operators": {
        "keys": ("", "Below. With one or more, an unsigned command is refused."),
        "command_window_seconds": ("s", "How long an id is remembered; an older command is refused as expired."),
    },
    "OperatorKey": {
        "id": ("", "What a command names in `key_id`."),
        "operator": ("", "Whose key it is: a command must name the same `operator`."),
        "role": ("", "Each may what those before it may; see [operations](operations.md#commands)."),
        "public_key": ("", "Ed25519, 32 bytes in base64: `weir operator keygen` prints it."),
    },
    "Notifications": {
        "webhooks": ("", "Below."),
        "burst": ("", "So many notifications about one thing go out in a window."),
        "throttle_seconds": ("s", "Length of the window, event time."),
        "attempts": ("", "Posts of one notification, with growing pauses; then it is a dead letter."),
        "timeout_seconds": ("s", "Of one post."),
        "events_path": ("", "Telemetry events as JSON lines; null: no file."),
        "events_topic": ("", "true: telemetry events go to the topic `telemetry`, too."),
        "dead_letter_path": ("", "What could not be delivered, as JSON lines."),
    },
    "Webhook": {
        "name": ("", "Names it in dead letters."),
        "form": ("", "Whose messages it takes."),
        "url_variable": ("", "The environment variable that holds its address: an address is a secret."),
        "kinds": ("", "What it is told."),
    },
}
