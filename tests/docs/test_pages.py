"""The pages for people hold: links lead somewhere, printed commands exist, printed configuration and code work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main
import yaml

from flows.cli.app import app
from flows.exit_codes import ExitCode
from operators.plan import compile_plan
from operators.strategy_evaluate.conformance import rehearse, sample_bars
from operators.strategy_evaluate.registry import default_registry
from schemas.configuration import parse_configuration
from schemas.messages import ControlCommand
from schemas.metrics import METRICS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("deploy/*/README.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
README, OPERATIONS = TEXTS[ROOT / "README.md"], TEXTS[ROOT / "docs" / "operations.md"]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)|src(?:set)?=\"([^\"]+)\"", TEXTS[page])
    local = [one or other for one, other in links if not (one or other).startswith(("http://", "https://"))]
    missing = [link for link in local if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`((?:flows|operators|schemas|deploy|tests|benchmarks|docs)/[\w./-]+)`", TEXTS[page])
    assert not [path for path in named if not (ROOT / path).exists()]


def _options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_printed_commands_and_their_options_exist(page: Path) -> None:
    root: Any = typer.main.get_command(app)
    for line in re.findall(
        r"^(?:\$ )?weir ([^\n]+)$", "\n".join(blocks(TEXTS[page], "(?:sh|text)")), flags=re.MULTILINE
    ):
        words = line.split(" #")[0].split()
        command = root.commands[words[0]]
        if hasattr(command, "commands"):
            command = command.commands[words[1]]
        unknown = {word for word in words if word.startswith("--")} - _options(command)
        assert not unknown, f"weir {line}"


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    for page, text in TEXTS.items():
        assert set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", text, flags=re.MULTILINE)) <= {
            pair for target in targets for pair in ((target, ""), ("", target))
        }, page


def test_the_strategy_in_the_readme_keeps_the_contract() -> None:
    (code,) = blocks(README, "python\n# file: dip.py")
    namespace: dict[str, object] = {"__name__": "dip"}
    exec(compile(code, "dip.py", "exec"), namespace)
    kind = namespace["Dip"]
    strategy = kind(kind.parameters_type())  # type: ignore[attr-defined, operator]
    assert len(rehearse(strategy, sample_bars())) > 2


def test_the_live_configuration_is_complete() -> None:
    (text,) = (block for block in blocks(OPERATIONS, "yaml") if "portfolios:" in block)
    compile_plan(parse_configuration(yaml.safe_load(text)), default_registry())


@pytest.mark.parametrize("text", blocks(OPERATIONS, "json"))
def test_printed_commands_to_the_flow_decode(text: str) -> None:
    for line in text.strip().splitlines():
        msgspec.json.decode(line, type=ControlCommand)


def test_every_exit_code_and_metric_is_listed() -> None:
    for code in ExitCode:
        assert f"| {code.value} | `{code.name}` |" in OPERATIONS
    assert not [metric.name for metric in METRICS if f"`{metric.name}`" not in OPERATIONS]
