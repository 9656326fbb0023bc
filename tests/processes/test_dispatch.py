"""One decision log on every x86-64 model (design, promise 2): the launcher pins what numerics choose by model, and
another choice of NumPy and OpenBLAS gives the same decisions all the same.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.dump.shipped import build_demo_dump
from flows.process.pinning import pinned_environment
from tests.processes.live_cluster import DEADLINE, ROOT, environment

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="settings of x86-64"),
]

#: ``weir`` with other pins; afterwards it leaves which kernels were really chosen.
PROGRAM = """
import ctypes, json, os, pathlib, runpy, sys
from flows.process import pinning
pinning._X86_64.update(json.loads(sys.argv.pop(1)))
left = pathlib.Path(sys.argv.pop(1))
try:
    runpy.run_module("flows", run_name="__main__", alter_sys=True)
finally:
    import numpy
    from numpy._core._multiarray_umath import __cpu_features__ as features
    (library,) = pathlib.Path(numpy.__file__).parents[1].glob("numpy.libs/libscipy_openblas64_*.so")
    core = ctypes.CDLL(str(library)).scipy_openblas_get_corename64_
    core.restype = ctypes.c_char_p
    left.write_text(json.dumps({"core": core().decode(), "wide": features["X86_V3"], "pinned": pinning.is_pinned()}))
"""
#: What the launcher would leave to the machine if it did not pin.
OTHER = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": ""}


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real prices: two years of the shipped stocks."""
    folder = tmp_path_factory.mktemp("shipped") / "dump"
    build_demo_dump(folder, days=500)
    return folder


def replay(dump: Path, folder: Path, pins: dict[str, str], **more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Replays with every strategy and inverse-volatility capital; returns the result and the kernels that ran."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(pins), str(folder / "kernels.json")]
    command += ["replay", "--dump", str(dump), "--config", str(ROOT / "deploy" / "config" / "default.yaml")]
    command += ["--out", str(folder / "out"), "--json", "--no-report", "--no-clickhouse"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(**more), capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1]), json.loads((folder / "kernels.json").read_text())


def test_two_dispatch_settings_and_a_hostile_environment_give_the_same_hashes(dump: Path, tmp_path: Path) -> None:
    hostile = dict.fromkeys(pinned_environment(), "") | OTHER | {"NUMBA_CPU_NAME": "host", "OMP_NUM_THREADS": "4"}
    hostile["NUMBA_CACHE_LOCATOR_CLASSES"] = pinned_environment()["NUMBA_CACHE_LOCATOR_CLASSES"]
    results: list[dict[str, Any]] = []
    kernels: list[dict[str, Any]] = []
    for name, pins, more in (("pinned", {}, {}), ("hostile", {}, hostile), ("other", OTHER, hostile)):
        (tmp_path / name).mkdir()
        result, chosen = replay(dump, tmp_path / name, pins, **more)
        results.append(result)
        kernels.append(chosen)
    assert kernels[0] == kernels[1] == {"core": "Nehalem", "wide": False, "pinned": True}
    if "avx2" in Path("/proc/cpuinfo").read_text():
        assert kernels[2] == {"core": "Haswell", "wide": True, "pinned": True}
    assert results[0]["orders"] > 100
    for result in results[1:]:
        assert result["decisions_sha256"] == results[0]["decisions_sha256"]
        assert result["orders_sha256"] == results[0]["orders_sha256"]
