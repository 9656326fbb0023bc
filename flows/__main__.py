"""``weir`` and ``python -m flows``."""

from __future__ import annotations

from flows.process.pinning import pin_numerics


def main() -> None:
    """Pins what numerics depend on, then runs the command line."""
    pin_numerics()
    from flows.cli.app import app

    app(prog_name="weir")


if __name__ == "__main__":
    main()
