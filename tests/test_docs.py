"""Configurations that the documentation shows can be loaded, and their objectives built."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from selfplay.config import load_config
from selfplay.tasks import solver_config
from solver.objectives.build import build_objective

DOCS = sorted((Path(__file__).resolve().parents[1] / "docs").glob("*.md"))


def blocks(language: str) -> list[ParameterSet]:
    """The documentation's blocks in a language."""
    fenced = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [
        pytest.param(block, id=f"{path.stem}-{i}")
        for path in DOCS
        for i, block in enumerate(fenced.findall(path.read_text(encoding="utf-8")))
    ]


def test_there_are_configurations_in_the_documentation() -> None:
    assert len(blocks("yaml")) >= 10


@pytest.mark.parametrize("block", blocks("yaml"))
def test_a_configuration_of_the_documentation_loads(block: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(block, encoding="utf-8")
    own = ["prompts=prompts.jsonl", "model=DIR"] if "base: own" in block else []
    config = solver_config(load_config(path, own).config)
    assert build_objective(config.objective, config)


@pytest.mark.parametrize("block", blocks("python"))
def test_python_of_the_documentation_imports_what_there_is(block: str) -> None:
    tree = ast.parse(block)
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(tree, "documentation", "exec"), {})
