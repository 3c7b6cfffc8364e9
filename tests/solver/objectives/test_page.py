"""The page of objectives is what the tables say."""

from __future__ import annotations

import subprocess
import sys

from solver.objectives import page


def test_the_page_is_current() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.render(), (
        "docs/objectives.md is stale: run `python -m solver.objectives.page`"
    )


def test_every_objective_has_its_formula_advice_source_and_option_texts() -> None:
    assert page.undocumented() == []


def test_the_tables_import_no_torch() -> None:
    code = "import sys, solver.objectives.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_objective_names_its_reference_exactly_where_it_needs_one() -> None:
    for name, row in page.OBJECTIVES.items():
        needed = {"reference", "reference logits"} & set(row.needs)
        assert bool(needed) == bool(row.reference), name
