"""Claims about the small files by which work goes on: whole, and named where they are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfplay.ablation.grid import Cell
from selfplay.ablation.playing import TIMES, seconds_of
from selfplay.analysis.status import ceiling
from selfplay.core.errors import LedgerError
from selfplay.core.state_files import read_state, write_state

DAMAGED = ("", "{", "[]", "null", "{}", "\xff", "[" * 100_000)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_state(tmp_path / "job.json", {"done": 3})
    assert read_state(tmp_path / "job.json", "done") == {"done": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_one_is_an_error_that_names_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(LedgerError, match=r"job\.json: .* the file is damaged"):
        read_state(path, "done")


@pytest.mark.parametrize("text", [*DAMAGED, '{"seconds": null}', '{"seconds": "x"}'])
def test_a_damaged_record_of_a_cells_time_keeps_no_grid_from_going_on(
    text: str, tmp_path: Path
) -> None:
    cell = Cell("a", 0, tmp_path, "tiny", ())
    (tmp_path / TIMES).write_text(text, encoding="latin-1")
    assert seconds_of(cell) is None


ODD = ('{"held_out": null}', '{"held_out": [], "spaces": 1}', '{"held_out": {}, "ceiling": 3}')


@pytest.mark.parametrize("text", [*DAMAGED, *ODD])
def test_a_file_of_ones_own_called_quality_is_no_ceiling(text: str, tmp_path: Path) -> None:
    (tmp_path / "quality.json").write_text(text, encoding="latin-1")
    settings = {"model": {"path": str(tmp_path)}, "evaluation": {"source": {}}, "spaces": {}}
    assert ceiling(settings) == {}
