"""What every test stands on: pinned numerics, fixed examples, time limits, and one Kafka for all that need it.

Marks: ``kafka`` is given to every test that takes a broker fixture; a module whose tests start whole processes says
``pytestmark = pytest.mark.process``; ``soak`` is for what only ``make soak`` runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from flows.process.pinning import READERS, is_pinned, pin_numerics

if not is_pinned() and any(name in sys.modules for name in READERS):
    # Too late to pin, and a replaced process would lose pytest's output.
    pytest.exit(f"{', '.join(READERS)}: one of them was loaded before the tests; start pytest without that plugin", 3)
pin_numerics(restart=False)

pytest_plugins = ["tests.kafka_broker"]

BROKER_FIXTURES = {"kafka_client", "kafka_broker_of_its_own", "kafka_topic"}
#: Seconds that a test may take, by its mark; pyproject.toml has the limit of the others.
TIMEOUTS = {"soak": 4 * 3600, "kafka": 900, "process": 900}

# Examples are the same in every run: a new one is found by changing the test, not by luck in somebody else's change.
settings.register_profile(
    "weir", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("weir")


@pytest.fixture(autouse=True)
def logs_as_at_the_start() -> Iterator[None]:
    """A command sets up logging to the standard error of its test, which the next one no longer has."""
    yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of the broker, and gives limits."""
    for item in items:
        if BROKER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("kafka")
        if item.get_closest_marker("timeout") is None:
            for mark, seconds in TIMEOUTS.items():
                if item.get_closest_marker(mark) is not None:
                    item.add_marker(pytest.mark.timeout(seconds))
                    break


class ModulesTogether(LoadScopeScheduling):
    """Modules stay together, for what their fixtures opened; so do all that share the session's broker.

    xdist's own ``loadgroup`` writes the group into a field of the item that pytest 9.2 does not read any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        text = (self.config.rootpath / module).read_text()
        return "kafka" if any(name in text for name in BROKER_FIXTURES) else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ModulesTogether:
    """How tests are spread over the workers of ``-n``."""
    return ModulesTogether(config, log)
