"""Claims about cells that a spreadsheet might take for formulas."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from selfplay.analysis.credit.table import Attribution, Credit, write_csv
from selfplay.core.csv_text import inert, inert_row


@pytest.mark.parametrize("text", ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_a_text_that_begins_like_a_formula_is_marked_as_text(text: str) -> None:
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("value", ["a=1", "", " x", "'", 5, -0.5, None, True])
def test_other_values_are_left_as_they_are(value: object) -> None:
    assert inert(value) == value


def test_heads_are_cells_too() -> None:
    assert inert_row({"=a": -1, "b": "=c"}) == {"'=a": -1, "b": "'=c"}


def test_an_exported_table_has_no_formula_where_a_prompt_begins_like_one(tmp_path: Path) -> None:
    row = Credit("evolve", 1.0, -0.25, -0.5, 0.0, text="=HYPERLINK(1)")
    write_csv(
        tmp_path / "a.csv", [Attribution("loo", "families", 1, row, -0.25, 1, [row], "a note")]
    )
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        (read,) = csv.DictReader(file)
    assert (read["text"], read["gain"]) == ("'=HYPERLINK(1)", "-0.25")
