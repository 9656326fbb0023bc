"""The rules of the house, enforced: what operators may touch, how large files are, what names steps have."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.settings import FlowSettings, KafkaInput, KafkaOutput
from flows.trading import build_trading
from schemas.configuration import parse_configuration

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("flows", "operators", "schemas")
GOLDEN = ROOT / "tests" / "golden" / "step_ids.txt"
LARGEST_FILE = 400

# Written in parts, so that this file does not break its own rules.
LEFT_OVER = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b")
REGISTRY = re.compile(
    "|".join(re.escape(a + b) for a, b in (("pypi", ".org"), ("python", "hosted.org"), ("maven", ".org/maven2"),
                                           ("repo.maven", ".apache"), ("npm", "js.org"), ("deb.", "debian.org")))
)  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![\w./$}])/(?:work|root|home|Users)/\w")

CLOCKS_AND_CHANCE = {
    "asyncio", "bytewax", "concurrent", "multiprocessing", "os", "random", "requests", "secrets", "socket",
    "subprocess", "sys", "threading", "time", "urllib", "uuid",
}  # fmt: skip
WALL_TIME = {"now", "utcnow", "today", "fromtimestamp"}


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked_files() -> list[Path]:
    """What git tracks, or would if it were added; every file where this is no git checkout."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=False)
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    if not names:
        names = [name_of(path) for path in ROOT.rglob("*") if not path.relative_to(ROOT).parts[0].startswith(".")]
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


# ---------------------------------------------------------------- operators
def is_set(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression is plainly a set; ``names`` are variables that hold one."""
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return is_set(node.left, names) or is_set(node.right, names)
    return isinstance(node, ast.Name) and node.id in names


def set_variables(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and is_set(node.value, found):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            annotation = ast.unparse(node.annotation)
            found |= {node.target.id} if annotation.startswith(("set[", "frozenset[")) else set()
    return found


def ordered_by_hash(tree: ast.AST) -> Iterator[int]:
    """Lines that go through a set in the order of its hashes."""
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef | ast.Module):
            continue
        names = set_variables(scope) if isinstance(scope, ast.FunctionDef) else set()
        for node in ast.walk(scope):
            if isinstance(node, ast.For) and is_set(node.iter, names):
                yield node.lineno
            if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
                yield from (
                    node.lineno for part in node.generators if is_set(part.iter, names) and not sorts(scope, node)
                )
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple"):
                yield from (node.lineno for argument in node.args if is_set(argument, names))


def sorts(scope: ast.AST, inner: ast.AST) -> bool:
    """Whether ``inner`` is the argument of something whose answer has no order of its own."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("sorted", "any", "all", "set", "frozenset", "len", "max", "min")
        and inner in node.args
        for node in ast.walk(scope)
    )


def impurities(tree: ast.AST) -> Iterator[str]:
    """What an operator must not do, as ``line: what`` (design, promise 1)."""
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
            modules += [f"{node.module}.{alias.name}" for alias in node.names if alias.name == "random"]
        for module in modules:
            if module.partition(".")[0] in CLOCKS_AND_CHANCE or module == "numpy.random":
                yield f"{node.lineno}: imports {module}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("hash", "id", "open"):
            yield f"{node.lineno}: calls {node.func.id}()"
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in WALL_TIME and owner.split(".")[-1] in ("datetime", "date"):
                yield f"{node.lineno}: reads {owner}.{node.attr}"
            if owner in ("np", "numpy") and node.attr == "random":
                yield f"{node.lineno}: uses {owner}.random"
    yield from (f"{line}: goes through a set in hash order" for line in sorted(set(ordered_by_hash(tree))))


def test_operators_know_the_log_alone() -> None:
    offenders = [
        f"{name_of(path)}:{fault}"
        for path in sources("operators")
        for fault in impurities(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert offenders == []


@pytest.mark.parametrize(
    "code",
    [
        "import time",
        "from bytewax import operators",
        "from numpy import random",
        "x = np.random.default_rng()",
        "import os.path",
        "x = datetime.now()",
        "x = datetime.datetime.utcnow()",
        "x = hash('a')",
        "x = [y for y in {1, 2}]",
        "for y in set(z): pass",
        "def f():\n    seen = set()\n    return list(seen)",
        "def f():\n    seen: set[int] = given\n    for x in seen: pass",
        "def f(a):\n    return [x for x in a - {1}]",
    ],
)
def test_the_check_sees_each_impurity(code: str) -> None:
    assert list(impurities(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["for y in sorted({2, 1}): pass", "def f():\n    seen = set()\n    return sorted(x for x in seen)", "x = 1 in {1}"],
)
def test_the_check_lets_order_by_value_pass(code: str) -> None:
    assert list(impurities(ast.parse(code))) == []


# ---------------------------------------------------------------- files
def test_files_stay_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*PACKAGES)}
    assert {name: length for name, length in lengths.items() if length >= LARGEST_FILE} == {}


def test_files_are_named_for_what_they_hold() -> None:
    vague = re.compile(r"util|helper|manager|common|misc")
    assert [name_of(path) for path in sources(*PACKAGES, "tests") if vague.search(name_of(path))] == []


@pytest.mark.parametrize(
    ("what", "pattern"), [("left over", LEFT_OVER), ("registry", REGISTRY), ("path", MACHINE_PATH)]
)
def test_no_file_holds(what: str, pattern: re.Pattern[str]) -> None:
    offenders = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        offenders += [f"{name_of(path)}: {match.group()}" for match in pattern.finditer(text)]
    assert offenders == [], f"{what}: {offenders}"


def test_tests_mirror_the_tree() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in sources("tests")}
    mirrored = {folder for folder in folders if folder.parts and folder.parts[0] in PACKAGES}
    assert {str(folder) for folder in mirrored if not (ROOT / folder).is_dir()} == set()


# ---------------------------------------------------------------- names
def modules() -> list[str]:
    found: list[str] = []
    for package in PACKAGES:
        found.append(package)
        walked = pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
        found += [module.name for module in walked if not module.name.endswith("__main__")]
    return found


def undocumented(module: Any) -> Iterator[str]:
    """Public things defined in a module whose meaning nobody wrote down, here or in a base class."""
    name = module.__name__
    if not inspect.getdoc(module):
        yield name
    for label, thing in vars(module).items():
        plain = getattr(thing, "py_func", thing)
        if label.startswith("_") or getattr(plain, "__module__", None) != name:
            continue
        if (inspect.isfunction(plain) or inspect.isclass(plain)) and not inspect.getdoc(plain):
            yield f"{name}.{label}"
        if inspect.isclass(plain):
            yield from (f"{name}.{label}.{member}" for member in undocumented_members(plain))


def undocumented_members(kind: type) -> Iterator[str]:
    for label, member in vars(kind).items():
        inner = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        documented = inspect.isfunction(inner) or isinstance(inner, property)
        generated = inspect.isfunction(inner) and inner.__code__.co_filename.startswith("<")
        if not label.startswith("_") and documented and not generated and not inspect.getdoc(getattr(kind, label)):
            yield label


def test_everything_public_is_documented() -> None:
    assert [name for module in modules() for name in undocumented(importlib.import_module(module))] == []


# ---------------------------------------------------------------- recovery keys
EVERY_TOPIC = {
    "instruments": [{"symbol": "A"}],
    "time": {"cycle_seconds": 60},
    "topics": {"market": {"partitions": 1}, "control": {}, "signals": {}, "overlay": {}},
    "portfolios": [
        {"id": "main", "pods": [{"id": "pod", "schedules": [{"id": "s", "strategy": "sma_cross"}]}]},
    ],
}


def step_ids(steps: list[Any]) -> Iterator[str]:
    for step in steps:
        yield step.step_id
        yield from step_ids(getattr(step, "substeps", []))


def test_step_ids_are_frozen() -> None:
    """A step id is a recovery key: a state under another one is lost at the next start (design, "Recovery")."""
    document = parse_configuration(EVERY_TOPIC, "test").model_dump(mode="json")
    flow = build_trading(FlowSettings(configuration=document, source=KafkaInput(), sink=KafkaOutput()))
    assert sorted(step_ids(flow.substeps)) == GOLDEN.read_text(encoding="utf-8").split()
