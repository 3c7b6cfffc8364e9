"""Configurations that the documentation shows can be loaded, and their objectives built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from selfplay.config import load_config
from selfplay.tasks import solver_config
from solver.objectives.build import build_objective

DOCS = sorted((Path(__file__).resolve().parents[1] / "docs").glob("*.md"))
BLOCKS = [
    pytest.param(block, id=f"{path.stem}-{i}")
    for path in DOCS
    for i, block in enumerate(
        re.findall(
            r"^```yaml\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
    )
]


def test_there_are_configurations_in_the_documentation() -> None:
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("block", BLOCKS)
def test_a_configuration_of_the_documentation_loads(block: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(block, encoding="utf-8")
    config = solver_config(load_config(path, []).config)
    assert build_objective(config.objective, config)
