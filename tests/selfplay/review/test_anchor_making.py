"""Claims about anchors that a trusted judge makes, on a real run and a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meta.anchors.anchors import Anchor, AnchorSet
from meta.anchors.file import read_anchors, write_anchors
from meta.judges.verifier import NOTHING_TO_VERIFY
from meta.rubrics.rubric import Criterion, Rubric
from selfplay.config import load_config
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.types import Prompt, user
from selfplay.ledger import Ledger
from selfplay.ledger.reading import decoder
from selfplay.paths import LEDGER
from selfplay.review.anchor_sets import (
    JudgingConfig,
    by_prompt,
    count_anchors,
    find_anchors,
    groups_of_file,
    groups_of_run,
    make_anchors,
)
from selfplay.review.anchoring import append_anchors
from tests.meta.judged_groups import graded, response_in
from tests.model_server import Answer, completion, serving
from tests.selfplay.small_runs import play_out

ALL = (0, 2**62)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("played") / "run"
    play_out(directory, "rounds=2")
    return directory


def judge(*overrides: str) -> Any:
    return load_config(None, list(overrides), JudgingConfig).config.build()


def recorded(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


SUMS = (
    {"prompt": "2+2?", "answer": "4", "responses": ["4", "5", "4"]},
    {"prompt": "3+3?", "answer": "6", "responses": ["6", "It is 6."]},
    {"prompt": "2+2?", "answer": "4", "responses": ["It is 9."]},
    {"prompt": "Sing!", "responses": ["la"]},
)


def test_a_runs_responses_become_the_anchors_that_its_verifier_would_make(
    run: Path, tmp_path: Path
) -> None:
    groups = groups_of_run(run, "train", ALL)
    made = make_anchors(groups, judge(), tmp_path / "anchors.jsonl")
    with Ledger.open(run / LEDGER, read_only=True) as ledger:
        ledger.decode = decoder(run)
        judged = [group for t in (1, 2) for group in ledger.groups(t, "train")]
    known = {
        (group.prompt.id, response.text): verdict.reward
        for group in judged
        for response, verdict in zip(group.responses, group.verdicts, strict=True)
    }
    assert made.responses == len(known)
    assert made.anchors.anchors
    assert all(known[a.key] == a.score and a.scorer == "verifier" for a in made.anchors.anchors)
    assert made.prompts == made.alike + len({a.prompt.id for a in made.anchors.anchors})


def test_one_prompts_responses_are_drawn_together_and_equal_ones_judged_once(
    tmp_path: Path,
) -> None:
    groups = groups_of_file(recorded(tmp_path / "sums.jsonl", *SUMS))
    assert [[r.text for r in group.responses] for group in by_prompt(groups)] == [
        ["4", "5", "It is 9."],
        ["6", "It is 6."],
        ["la"],
    ]
    made = make_anchors(groups, judge(), tmp_path / "anchors.jsonl")
    assert (made.prompts, made.responses, made.added, made.alike) == (3, 6, 3, 1)
    assert made.missing == {NOTHING_TO_VERIFY: 1}
    scores = {a.response: a.score for a in read_anchors(tmp_path / "anchors.jsonl").anchors}
    assert scores == {"4": 1.0, "5": 0.0, "It is 9.": 0.0}
    every = make_anchors(groups, judge(), tmp_path / "all.jsonl", contrasting=False)
    assert (every.added, every.alike) == (5, 0)


def test_a_file_grows_and_the_same_again_adds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    first = groups_of_file(recorded(tmp_path / "a.jsonl", SUMS[0]))
    assert make_anchors(first, judge(), path).anchors.version == 1
    again = make_anchors(first, judge(), path)
    assert (again.added, again.anchors.version) == (0, 1)
    more = groups_of_file(recorded(tmp_path / "b.jsonl", SUMS[1]))
    grown = make_anchors(more, judge(), path, scorer="me", contrasting=False)
    assert (grown.added, grown.anchors.version) == (2, 2)
    assert [a.scorer for a in read_anchors(path).anchors] == [*["verifier"] * 2, *["me"] * 2]


def test_a_limit_takes_prompts_evenly(tmp_path: Path) -> None:
    rows = [{"prompt": f"{i}+0?", "answer": str(i), "responses": [str(i), "x"]} for i in range(10)]
    groups = groups_of_file(recorded(tmp_path / "a.jsonl", *rows))
    made = make_anchors(groups, judge(), tmp_path / "anchors.jsonl", limit=3)
    asked = list(dict.fromkeys(a.prompt.text for a in made.anchors.anchors))
    assert asked == ["0+0?", "3+0?", "6+0?"]


def test_a_judge_that_scores_nothing_writes_nothing(tmp_path: Path) -> None:
    groups = groups_of_file(recorded(tmp_path / "a.jsonl", SUMS[3]))
    with pytest.raises(DataError, match=r"found none for 1 responses; most often: the prompt has"):
        make_anchors(groups, judge(), tmp_path / "anchors.jsonl")
    assert not (tmp_path / "anchors.jsonl").exists()
    own = judge("judge=direct_score")
    with pytest.raises(ConfigError, match="choose `transformers` or `endpoint`"):
        make_anchors(groups, own, tmp_path / "anchors.jsonl")


def test_a_run_without_such_groups_says_which_it_has(run: Path) -> None:
    with pytest.raises(DataError, match=r"rounds go up to 2, its labels are heldout/greedy.*train"):
        groups_of_run(run, "other", ALL)
    with pytest.raises(DataError, match="expected groups 'train' in the rounds asked for"):
        groups_of_run(run, "train", (7, 9))


def test_a_stronger_judge_behind_a_server_makes_anchors(tmp_path: Path) -> None:
    rubric = Rubric((Criterion("clear", "Is it clear?", 1.0, (0.0, 5.0), kind="judge"),))
    (tmp_path / "rubric.yaml").write_text(rubric.to_yaml(), encoding="utf-8")

    def answer(body: dict[str, Any]) -> Answer:
        text = response_in(body)
        if text == "odd":
            return completion("I would rather not.")
        return completion(json.dumps(graded(body, clear=float(len(text)))))

    row = {"prompt": "Say a letter", "responses": ["a", "abc", "odd"]}
    groups = groups_of_file(recorded(tmp_path / "a.jsonl", row))
    with serving(answer) as served:
        strong = judge(
            *("judge=rubric_llm", "judge.model=endpoint", f"rubric={tmp_path / 'rubric.yaml'}"),
            *(f"judge.model.base_url={served.url}", "judge.model.model=m"),
        )
        made = make_anchors(groups, strong, tmp_path / "anchors.jsonl")
    scores = {anchor.response: anchor.score for anchor in made.anchors.anchors}
    assert scores == {"a": pytest.approx(0.2), "abc": pytest.approx(0.6)}
    assert {anchor.scorer for anchor in made.anchors.anchors} == {"rubric_llm"}
    assert sum(made.missing.values()) == 1, "a reply that cannot be read is no score"


def test_counts_add_up_over_parts_and_scorers(tmp_path: Path) -> None:
    asked = [Prompt(user(f"question {i}")) for i in range(40)]
    whole = AnchorSet().append(
        Anchor(prompt, text, score, "verifier")
        for prompt in asked
        for text, score in (("a", 1.0), ("b", 0.0), ("c", 0.0))
    )
    whole = whole.append([Anchor(asked[0], "a", 7.0, "ann"), Anchor(asked[0], "d", 2.0, "ann")])
    whole = whole.append([Anchor(asked[1], "b", 0.0, "verifier", "suspect", "long")])
    write_anchors(tmp_path / "anchors.jsonl", whole)
    counts = count_anchors(find_anchors(tmp_path / "anchors.jsonl"))
    assert (counts.version, counts.anchors, counts.replaced, counts.mixed) == (3, 123, 2, 1)
    for rows in (counts.parts, counts.scorers):
        assert sum(row.core for row in rows) == 120
        assert sum(row.suspects for row in rows) == 1
        assert sum(row.core_pairs for row in rows) == 38 * 2 + 1 + 1
        assert sum(row.suspect_pairs for row in rows) == 1
    assert [(row.name, row.prompts) for row in counts.scorers] == [("ann", 1), ("verifier", 40)]
    assert sum(row.prompts for row in counts.parts) == 40


def test_a_runs_anchors_are_counted_like_a_files(run: Path, tmp_path: Path) -> None:
    groups = groups_of_file(recorded(tmp_path / "a.jsonl", *SUMS))
    made = make_anchors(groups, judge(), tmp_path / "anchors.jsonl")
    again = find_anchors(tmp_path / "anchors.jsonl")
    with Ledger.open(run / LEDGER) as ledger:
        append_anchors(ledger, 2, again.anchors)
        originals = set(ledger.ids_made_by("original"))
    assert originals.isdisjoint(anchor.prompt.id for anchor in again.anchors), "not its own"
    assert count_anchors(find_anchors(run)).anchors == made.added == 3
