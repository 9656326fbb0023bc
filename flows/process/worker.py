"""One process of a cluster: ``python -m flows.process.worker ORDER.json``.

It ends with 0 when the flow came to its end or was drained, its snapshot written; otherwise with an exit code that says
why (:mod:`flows.exit_codes`), which it also leaves in a file together with a message.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from flows.logs import log_to_stderr
from flows.process.pinning import pin_numerics
from flows.process.ticker import Ticker

if TYPE_CHECKING:
    from bytewax.dataflow import Dataflow

_PR_SET_PDEATHSIG = 1
#: The counter that tells how far a run is.
PROGRESS = "bars"


class WorkerOrder(Struct, frozen=True, kw_only=True):
    """What the supervisor tells one process.

    Attributes:
        builder: ``module:function`` that returns a Dataflow.
        settings: path of the settings document.
        addresses: ``host:port`` of every process; empty for a cluster of one.
        process: which of them this is.
        workers: worker threads.
        recovery_folder: bytewax recovery partitions; None runs without.
        epoch_seconds: length of an epoch.
        parent: process id of the supervisor; this process dies with it.
        folder: where ``ready-N``, ``outcome-N.json`` and ``failure-N.json`` are left.
        trading: the document is a FlowSettings: the builder is given it decoded, and the hang watchdog looks after its
            strategies. Otherwise the builder is given the path.
    """

    builder: str
    settings: str
    addresses: list[str]
    process: int
    workers: int
    recovery_folder: str | None
    epoch_seconds: float
    parent: int | None
    folder: str
    trading: bool = False


def load_builder(name: str) -> Callable[[Any], Dataflow]:
    """The function that ``module:function`` names; raises ImportError or AttributeError when there is none."""
    module, _, function = name.partition(":")
    builder: Callable[[Any], Dataflow] = getattr(import_module(module), function)
    return builder


def build(order: WorkerOrder) -> Dataflow:
    """The dataflow that ``order`` names."""
    from flows.settings import read_settings

    path = Path(order.settings)
    return load_builder(order.builder)(read_settings(path) if order.trading else path)


def execute(
    flow: Dataflow,
    *,
    addresses: list[str],
    process: int,
    workers: int,
    recovery_folder: Path | None,
    epoch_seconds: float,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Runs a dataflow in this process until its end or a drain.

    Raises:
        BaseException: the first error that a step raised; bytewax's own where no step did.
    """
    from bytewax import _bytewax as runtime

    from flows.process import failure
    from flows.process.collection import spared
    from flows.process.guard import announce_ready, guard
    from flows.process.ports import wait_for_listeners

    failure.forget()
    guard(flow)
    if on_ready is not None:
        announce_ready(flow, on_ready)
    # The runtime is compiled and untyped.
    run_flow: Callable[..., None] = runtime.cluster_main
    recovery_config: Callable[[Path], object] = runtime.RecoveryConfig
    recovery = None if recovery_folder is None else recovery_config(recovery_folder)
    wait_for_listeners(addresses[:process])
    try:
        with spared():
            run_flow(
                flow,
                addresses,
                process,
                epoch_interval=timedelta(seconds=epoch_seconds),
                recovery_config=recovery,
                worker_count_per_proc=workers,
            )
    except BaseException as error:
        first = failure.first_or(error)
        if first is error:
            raise
        raise first from None


def die_with(parent: int) -> None:
    """Lets the kernel kill this process when its parent dies (Linux); does nothing elsewhere."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _watched(order: WorkerOrder, failure_file: Path) -> Iterator[None]:
    if not order.trading:
        yield
        return
    from flows.metrics import serving
    from flows.process.hang import end_after_hang
    from flows.process.watchdog import Watchdog
    from flows.settings import read_settings

    settings = read_settings(Path(order.settings))
    with (
        serving(settings.metrics_address(), order.process),
        Watchdog(settings.hang_seconds, lambda evaluation: end_after_hang(settings, evaluation, failure_file)),
    ):
        yield


def _tell_progress(path: Path) -> None:
    """Leaves the number of decoded bars; replaced as a whole, so that a reader never sees half of it."""
    from flows.process import outcome

    beside = path.with_name(path.name + ".new")
    beside.write_text(str(outcome.counted(PROGRESS)))
    beside.replace(path)


def run(order: WorkerOrder) -> int:
    """Runs the process that ``order`` describes; returns its exit code."""
    from flows.process import drain, failure, outcome

    folder = Path(order.folder)
    recovery = Path(order.recovery_folder) if order.recovery_folder else None
    failure_file = folder / f"failure-{order.process}.json"
    progress_file = folder / f"progress-{order.process}"
    drain.install()
    try:
        with _watched(order, failure_file), Ticker(lambda: _tell_progress(progress_file)):
            execute(
                build(order),
                addresses=order.addresses,
                process=order.process,
                workers=order.workers,
                recovery_folder=recovery,
                epoch_seconds=order.epoch_seconds,
                on_ready=(folder / f"ready-{order.process}").touch,
            )
        code = 0
    except BaseException as error:
        described = failure.describe(error, recovery)
        failure.write(described, failure_file)
        code = described.exit_code
    result = outcome.take()
    result.cpu_seconds = _cpu_seconds()
    outcome.write(result, folder / f"outcome-{order.process}.json")
    return code


def main() -> None:
    """Entry point of ``python -m flows.process.worker``."""
    pin_numerics()
    order = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=WorkerOrder)
    if order.parent is not None:
        die_with(order.parent)
    log_to_stderr(os.environ.get("WEIR_LOG_LEVEL", "info"))
    code = run(order)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of a dead cluster may hang in their sockets; what had to be written is written.
    os._exit(code)


if __name__ == "__main__":
    main()
