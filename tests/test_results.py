"""The benchmark records and the page made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import render, runner
from benchmarks.runner import Measurement

FOUND = Measurement(
    title="Sampling",
    question="How long does a draw take?",
    rows=[{"items": 10, "time (ms)": 0.123456}, {"items": 20, "note": "a|b"}],
    notes="Median of five.",
)


def test_the_results_page_is_up_to_date_with_its_records() -> None:
    assert render.PAGE.read_text(encoding="utf-8") == render.render(), (
        "docs/results.md is stale: run `python -m benchmarks --render`"
    )


def test_every_record_comes_from_a_known_machine_and_commit() -> None:
    for path in runner.RESULTS.glob("*.json"):
        record = runner.load(path)
        assert record.rows
        assert record.machine.cpu
        assert record.commit, path


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = runner.record("sampling", FOUND, tmp_path / "results")
    record = runner.load(path)
    assert path.name == "sampling.json"
    assert (record.title, record.rows, record.notes) == (FOUND.title, FOUND.rows, FOUND.notes)
    assert record.machine == runner.machine()
    assert set(record.versions) == {"python", "torch", "transformers", "trl", "numpy"}


def test_a_record_names_no_host(tmp_path: Path) -> None:
    fields = json.loads(runner.record("sampling", FOUND, tmp_path).read_text(encoding="utf-8"))
    assert set(fields["machine"]) == {"cpu", "cores", "memory_gib"}


def test_a_foreign_file_is_not_taken_for_a_record(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"title": "x", "machine": {}}', encoding="utf-8")
    with pytest.raises(ValueError, match="expected a benchmark record"):
        runner.load(path)


def test_a_table_has_every_column_and_escapes_bars(tmp_path: Path) -> None:
    runner.record("sampling", FOUND, tmp_path)
    page = render.render(tmp_path)
    assert "| items | time (ms) | note |" in page
    assert "| 10 | 0.1235 |  |" in page
    assert "| 20 |  | a\\|b |" in page


def test_an_empty_directory_says_that_nothing_was_measured(tmp_path: Path) -> None:
    assert "No measurement has been recorded yet." in render.render(tmp_path)


def test_listing_names_benchmarks_and_not_the_machinery() -> None:
    assert not {"runner", "render", "__main__"} & set(runner.names())


def test_an_unknown_benchmark_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        command.main(["no_such_benchmark"])
    assert "no benchmark is called 'no_such_benchmark'" in capsys.readouterr().err
