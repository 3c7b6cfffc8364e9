from __future__ import annotations

import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from creator.gates.table import GATES, ContaminationOptions, SafetyOptions
from selfplay.core.components import chosen
from selfplay.core.documented import field_texts
from tests.creator.gate_surroundings import World

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(GATES))
def test_every_row_builds_a_gate_that_passes_nothing_for_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "patterns.txt").write_text("bomb")
    needed = {
        "contamination": ContaminationOptions(files=("a",)),
        "safety": SafetyOptions(patterns=str(tmp_path / "patterns.txt")),
    }
    world = World(read_texts=lambda path: ["How much is it?"])
    assert chosen(name, GATES, needed.get(name)).build(world).reasons([]) == []


@pytest.mark.parametrize("name", sorted(GATES))
def test_every_option_says_what_it_is(name: str) -> None:
    options = GATES[name].options
    assert is_dataclass(options)
    assert set(field_texts(options)) == set(options.__dataclass_fields__)


def test_reading_the_table_loads_no_array_library() -> None:
    script = "import sys, creator.gates.table; sys.exit('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
