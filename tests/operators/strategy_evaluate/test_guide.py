"""The examples in docs/strategies.md work as printed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from operators.normalize.features.catalogue import FEATURES
from operators.strategy_evaluate.registry import SHIPPED

pytestmark = pytest.mark.process

GUIDE = (Path(__file__).parents[3] / "docs" / "strategies.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```python\n# file: (\w+)\.py\n(.*?)```", GUIDE, flags=re.DOTALL))


def test_the_examples_pass_their_own_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in EXAMPLES.items():
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("test_breakout")
    tests = [function for name, function in vars(module).items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        test()


def test_every_feature_and_shipped_strategy_is_listed() -> None:
    for name in FEATURES:
        assert re.search(rf"`{name}[(`]", GUIDE), f"feature {name} is missing from the guide"
    for strategy in SHIPPED:
        assert f"`{strategy.strategy_type}@{strategy.version}`" in GUIDE
