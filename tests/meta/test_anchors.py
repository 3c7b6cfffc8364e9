"""Claims about anchors: append-only, split by prompt, kept exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from meta.anchors.anchors import (
    SHARES,
    Anchor,
    AnchorSet,
    Part,
    anchors_from_groups,
    part_of,
    suspects_from_groups,
)
from meta.anchors.file import anchor_row, read_anchors, write_anchors
from selfplay.core.errors import DataError, ResourceError
from selfplay.core.types import Lineage, Message, Prompt, Puzzle
from selfplay.data.recorded import read_recorded, to_group
from tests.meta.trusted import anchor, group, prompt

GSM8K = Path(__file__).parents[2] / "../shared/data/gsm8k/example_model_solutions.jsonl"
RICH = Prompt(
    (Message("system", "Be exact."), Message("user", "Zähle bis 3.\nSchnell!")),
    "counting",
    "1 2 3",
    Puzzle("chain_sum", (("num_digits", 1), ("num_terms", 2)), 7),
    {"source": "book", "level": 3},
    Lineage(operator="imported"),
)


def test_the_parts_have_about_their_shares_and_no_prompt_is_in_two() -> None:
    whole = AnchorSet().append(anchor(prompt(i), "a", float(j)) for i in range(3000) for j in (1,))
    parts = {name: {a.prompt.id for a in whole.part(name).anchors} for name in SHARES}
    assert sum(map(len, parts.values())) == len(set().union(*parts.values())) == 3000
    for name, share in SHARES.items():
        assert len(parts[name]) / 3000 == pytest.approx(share, abs=0.03)


def test_a_prompts_part_never_changes() -> None:
    expected = ["report", "propose", "gate", "gate", "gate", "report"]
    assert [part_of(prompt(i).id) for i in range(6)] == expected


def test_a_part_refuses_anchors_of_another() -> None:
    strays = tuple(anchor(prompt(i), "a", 1.0) for i in range(5))
    with pytest.raises(DataError, match=r"is of part '(propose|report)', not of 'gate'"):
        Part("gate", strays)


def test_appending_makes_a_version_and_changes_nothing_that_was_there() -> None:
    first = AnchorSet().append([anchor(prompt(0), "a", 1.0), anchor(prompt(0), "b", 0.0)])
    second = first.append([anchor(prompt(1), "c", 1.0)])
    assert (first.version, second.version) == (1, 2)
    assert second.anchors[:2] == first.anchors
    assert second.at(1) == first
    assert second.append(first.anchors) is second


def test_of_two_scores_of_a_response_the_later_counts_and_both_are_kept() -> None:
    asked = prompt(0)
    corrected = AnchorSet().append([anchor(asked, "a", 1.0)]).append([anchor(asked, "a", 0.0)])
    assert [a.score for a in corrected.anchors] == [1.0, 0.0]
    assert [a.score for a in corrected.part(part_of(asked.id)).anchors] == [0.0]


def test_once_a_suspect_a_response_stays_one() -> None:
    asked = prompt(0)
    suspect = AnchorSet().append([anchor(asked, "a", 0.0, "suspect")])
    assert suspect.append([anchor(asked, "a", 0.0)]) is suspect
    rescored = suspect.append([anchor(asked, "a", 0.5)]).part(part_of(asked.id)).anchors
    assert [(a.score, a.origin, a.alarm) for a in rescored] == [(0.5, "suspect", "length")]


def test_a_set_whose_versions_fall_is_refused() -> None:
    a, b = anchor(prompt(0), "a", 1.0), anchor(prompt(1), "a", 1.0)
    with pytest.raises(DataError, match="append-only"):
        AnchorSet((replace(a, version=2), replace(b, version=1)))


def test_verdicts_become_anchors_where_they_tell_good_from_bad() -> None:
    groups = [
        group(prompt(0), ["a", "b", "c"], [1.0, 0.0, None]),
        group(prompt(1), ["a", "b"], [1.0, 1.0]),
    ]
    found = anchors_from_groups(groups)
    assert [(a.response, a.score, a.scorer) for a in found] == [
        ("a", 1.0, "verifier"),
        ("b", 0.0, "verifier"),
    ]
    assert len(anchors_from_groups(groups, contrasting=False)) == 4


def test_suspects_bring_the_rest_of_their_group_along() -> None:
    groups = [group(prompt(0), ["a", "b"], [0.0, 1.0])]
    found = suspects_from_groups(groups, [[0]], "length", "verifier")
    assert [(a.response, a.origin, a.alarm) for a in found] == [
        ("a", "suspect", "length"),
        ("b", "core", ""),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": float("nan")}, "finite score"),
        ({"origin": "other"}, "core or suspect"),
        ({"scorer": ""}, "a scorer"),
    ],
)
def test_a_wrong_anchor_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(anchor(prompt(0), "a", 1.0), **change)  # type: ignore[arg-type]


def test_a_file_holds_all_that_an_anchor_is(tmp_path: Path) -> None:
    whole = AnchorSet().append(
        [
            Anchor(RICH, "1 2\u20283", 0.25, "human"),
            anchor(replace(prompt(1), lineage=RICH.lineage), "", -1.5, "suspect"),
        ]
    )
    path = tmp_path / "made" / "anchors.jsonl"
    write_anchors(path, whole)
    again = read_anchors(path)
    assert again == whole
    assert again.anchors[0].prompt.id == RICH.id
    assert len(path.read_text(encoding="utf-8").split("\n")) == 3


def test_a_file_may_grow_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    first = AnchorSet().append([anchor(prompt(0), "a", 1.0)])
    write_anchors(path, first)
    grown = first.append([anchor(prompt(0), "b", 0.0)])
    write_anchors(path, grown)
    again = read_anchors(path)
    assert list(map(anchor_row, again.anchors)) == list(map(anchor_row, grown.anchors))
    for other in (first, AnchorSet().append([anchor(prompt(0), "a", 0.5)] * 2)):
        with pytest.raises(DataError, match="append-only"):
            write_anchors(path, other)
    assert read_anchors(path) == again


def test_a_users_own_file_needs_prompt_response_and_score_alone(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"prompt": "2+2?", "response": "4", "score": 1}\n\n', encoding="utf-8")
    (found,) = read_anchors(path).anchors
    assert (found.prompt.text, found.response, found.score, found.scorer) == (
        "2+2?",
        "4",
        1,
        "given",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scroe": 1}, "line 2: there is no column 'scroe'; did you mean 'score'"),
        ({"score": "1"}, "line 2: score: expected int or float, found '1'"),
        ({"score": True}, "line 2: score: expected int or float, found True"),
        ({"score": float("inf")}, "line 2: anchor: expected a finite score"),
        ({"prompt": [["user"]]}, "line 2: prompt: expected a text or a list"),
        ({"prompt": []}, "line 2: prompt: expected a text or a list"),
        ({"puzzle": {"generator": "a"}}, "line 2: puzzle: expected generator"),
        ({"origin": "odd"}, "line 2: anchor: origin is core or suspect"),
        ({"version": 0}, "append-only"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    row = anchor_row(anchor(prompt(0), "a", 1.0))
    path = tmp_path / "anchors.jsonl"
    rows = [row, row | {"response": "b"} | change]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_anchors(path)


@pytest.mark.parametrize("line", ["[1]", "{", '{"prompt": "a"}'])
def test_what_is_no_anchor_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(DataError, match="line 1: "):
        read_anchors(path)
    with pytest.raises(DataError, match="no such file"):
        read_anchors(tmp_path / "absent.jsonl")


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ResourceError, match="cannot be written"):
        write_anchors(tmp_path / "taken" / "anchors.jsonl", AnchorSet())


@pytest.mark.skipif(not GSM8K.exists(), reason="the recorded GSM8K answers are absent")
def test_recorded_gsm8k_answers_become_anchors_and_come_back(tmp_path: Path) -> None:
    records = read_recorded(GSM8K, "gsm8k_solutions", 300)
    whole = AnchorSet().append(anchors_from_groups([to_group(r) for r in records], "recorded"))
    assert len(whole.anchors) > 400
    write_anchors(tmp_path / "gsm8k.jsonl", whole)
    again = read_anchors(tmp_path / "gsm8k.jsonl")
    assert list(map(anchor_row, again.anchors)) == list(map(anchor_row, whole.anchors))
