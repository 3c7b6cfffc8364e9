"""Claims about the gate, its figures and its intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meta.acceptance.decision import Decision
from meta.acceptance.gate import Gate, accuracy
from meta.acceptance.intervals import interval
from meta.acceptance.options import GateOptions
from meta.acceptance.pairwise import accuracy_by_prompt, pairs_of
from meta.acceptance.scoring import AnyRubric, checks_judging
from meta.anchors.anchors import AnchorSet, Part, anchors_from_groups
from meta.judges import Judge
from meta.judges.rubric_checks import RubricChecks
from meta.monitors.exploits import EXPLOITS as KNOWN
from meta.rubrics.rubric import Criterion, Rubric
from meta.rubrics.set import RubricSet
from selfplay.core.components import NoOptions
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.types import Group, Prompt, Verdict
from selfplay.data.recorded import read_recorded, to_group
from tests.meta.trusted import (
    LONG,
    SHORT,
    anchor,
    anchors,
    brief_and_rambling,
    criterion,
    prompts_in,
    rubric,
)

GSM8K = Path(__file__).parents[2] / "../shared/data/gsm8k/example_model_solutions.jsonl"
NUMBER = rubric(criterion("number", "number"))
EXPLOITS = {
    "empty": lambda text, prompt: "",
    "repetition": lambda text, prompt: f"{text} " * 3,
    "template": lambda text, prompt: "Sure",
}


def part(count: int = 40, seed: int = 0) -> Part:
    return anchors(count, "gate", brief_and_rambling, seed).part("gate")


def accept(
    candidate: AnyRubric | str,
    current: AnyRubric,
    own: Part,
    options: GateOptions | None = None,
    **gate: Any,
) -> Decision:
    return Gate(options or GateOptions(), **gate).accept(candidate, current, own)


# Accuracy


def test_accuracy_counts_pairs_of_one_prompt_with_ties_and_missing_scores_as_half() -> None:
    a, b = prompts_in("gate", 2)
    prompts = [
        [anchor(a, "x", 1.0), anchor(a, "y", 0.0), anchor(a, "z", 0.0)],
        [anchor(b, "x", 3.0), anchor(b, "y", 2.0)],
    ]
    pairs = pairs_of(prompts)
    assert pairs.count == 3

    def measured(*scores: float) -> list[float]:
        return accuracy_by_prompt(pairs, np.array(scores)).tolist()

    assert measured(9, 1, 2, 5, 4) == [1.0, 1.0]
    assert measured(1, 2, 0, 4, 5) == [0.5, 0.0]
    assert measured(1, 1, 0, 4, 4 + 1e-12) == [0.75, 0.5]
    assert measured(np.nan, 1, 0, 9, 0) == [0.5, 1.0]


def test_pairs_with_a_suspect_are_apart_from_the_core() -> None:
    (a,) = prompts_in("gate", 1)
    own = [anchor(a, "x", 1.0), anchor(a, "y", 0.0), anchor(a, "z", 0.0, "suspect")]
    pairs = pairs_of([own])
    assert (pairs.core.count, pairs.suspects.count) == (1, 1)


# Intervals


def simulated(prompts: int, rng: np.random.Generator) -> np.ndarray:
    """Differences of two rubrics by prompt: 1 to 15 pairs that share their prompt's inclination."""
    inclined_P = rng.normal(0.1, 0.4, size=prompts)
    sizes_P = rng.integers(1, 16, size=prompts)
    chances_P = np.clip(0.5 + inclined_P, 0, 1)
    return np.array([rng.binomial(n, p) / n - 0.5 for n, p in zip(sizes_P, chances_P, strict=True)])


@pytest.mark.parametrize("prompts", [10, 40, 150])
def test_intervals_cover_the_true_gain_as_often_as_they_say(prompts: int) -> None:
    rng = np.random.default_rng(prompts)
    truth = simulated(200_000, rng).mean()
    found = [interval(simulated(prompts, rng)) for _ in range(1500)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    too_high = np.mean([one.low > truth for one in found])
    assert 0.93 <= covered <= 0.97
    assert too_high <= 0.035


def test_pairs_taken_as_independent_would_cover_far_too_little() -> None:
    rng = np.random.default_rng(0)
    truth, pairs, covered = 0.1, 10, []
    for _ in range(600):
        inclined_P = rng.normal(0.1, 0.3, size=40)
        gains_M = np.repeat(inclined_P, pairs) + rng.normal(0, 0.1, size=40 * pairs)
        found = interval(gains_M)
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) < 0.6


def test_two_equal_rankings_have_an_interval_of_nothing() -> None:
    found = interval(np.zeros(20))
    assert (found.mean, found.low, found.high, found.changed) == (0.0, 0.0, 0.0, 0)
    assert np.isnan(interval(np.ones(1)).low)


# Decisions


def test_a_better_rubric_is_accepted_with_its_figures() -> None:
    found = accept(SHORT, LONG, part())
    assert found.accepted
    assert "better on the core" in found.reason
    assert found.core is not None
    assert found.core.candidate > 0.85 > 0.15 > found.core.current
    assert found.metrics()["gate_core_gain"] == found.core.gain.mean


def test_a_worse_rubric_is_refused_on_the_core() -> None:
    found = accept(LONG, SHORT, part())
    assert not found.accepted
    assert "not shown to be no worse on the core" in found.reason


def test_a_rubric_that_ranks_all_alike_is_no_better() -> None:
    shouting = rubric(*SHORT.criteria, criterion("upper", "case", 0.001))
    found = accept(shouting, SHORT, part())
    assert not found.accepted
    assert "not shown to be better" in found.reason


def test_candidates_that_are_no_better_are_seldom_accepted() -> None:
    """Two rubrics that rank at random: the gate must not adopt more than its level says."""
    rng = np.random.default_rng(5)
    texts = lambda i, draw: [(f"w{j} " * int(draw.integers(1, 9)), float(j % 2)) for j in range(4)]  # noqa: E731
    few = rubric(criterion("few", "length", unit="words", maximum=1))
    by_case = rubric(criterion("many", "length", unit="characters", minimum=99))
    accepted = 0
    for _ in range(150):
        own = anchors(30, "gate", texts, seed=int(rng.integers(2**31))).part("gate")
        accepted += accept(by_case, few, own).accepted
    assert accepted <= 12


def test_the_repair_of_an_exploit_shows_on_the_suspects() -> None:
    """On the core both rank alike; the new exploit is worth a thing to the current one alone."""
    own = anchors(40, "gate", lambda i, _: [("good 1", 1.0), ("bad", 0.0)])
    suspects = [anchor(p, "bad 7 7 7 7 7 7", 0.0, "suspect") for p in prompts_in("gate", 40)]
    repaired = rubric(*NUMBER.criteria, criterion("again", "repetition", 2.0, n=1))
    alone = accept(repaired, NUMBER, own.part("gate"))
    assert not alone.accepted
    found = accept(repaired, NUMBER, own.append(suspects).part("gate"))
    assert found.accepted
    assert found.reasons[0].startswith("better on the suspects")
    assert found.suspects is not None
    assert found.suspects.candidate == 1.0


def test_too_few_prompts_show_nothing() -> None:
    found = accept(SHORT, LONG, part(7))
    assert not found.accepted
    assert "too few anchors to tell: the core has pairs in 7 prompts" in found.reason


@pytest.mark.parametrize(("changed", "expected"), [(5, False), (9, True)])
def test_five_prompts_that_changed_are_not_enough(changed: int, expected: bool) -> None:
    def texts(i: int, _: np.random.Generator) -> list[tuple[str, float]]:
        return [("good 1", 1.0), ("bad" if i < changed else "bad 1 ", 0.0)]

    own = anchors(40, "gate", texts).part("gate")
    flat = rubric(criterion("repeats", "repetition", n=5))
    assert accept(NUMBER, flat, own).accepted is expected


def test_an_exploit_that_pays_is_refused_by_name() -> None:
    empty_pays = rubric(criterion("short", "length", unit="words", maximum=1))
    exploits = {"stripped": lambda text, prompt: ""}
    found = accept(empty_pays, LONG, part(), exploits=exploits)
    assert not found.accepted
    assert "it ranks the exploit 'stripped' high" in found.reason
    floored = rubric(
        *empty_pays.criteria, criterion("some", "length", 2.0, unit="words", minimum=1)
    )
    mended = accept(floored, LONG, part(), exploits=EXPLOITS)
    ranks = {rank.name: rank.rank for rank in mended.exploits}
    assert ranks["empty"] == 0.0
    assert ranks["template"] > 0.5, "a one-word template beats what is two words long"


def test_an_exploit_is_planted_in_the_worst_response_and_compared_with_the_best() -> None:
    own = anchors(12, "gate", lambda i, _: [("good 1", 1.0), ("bad", 0.0), ("fair", 0.5)])
    seen: list[str] = []

    def flatter(text: str, asked: Prompt) -> str:
        assert asked.text.startswith("question")
        seen.append(text)
        return f"{text} 1"

    found = accept(NUMBER, LONG, own.part("gate"), exploits={"flattery": flatter})
    assert set(seen) == {"bad"}
    (rank,) = found.exploits
    assert (rank.rank, rank.plain, rank.prompts) == (0.5, 0.0, 12)


def test_a_response_that_is_misjudged_anyway_does_not_make_an_exploit_of_a_comma() -> None:
    """Bad work is preferred under both; what is planted changes nothing, and is no reason."""
    own = anchors(12, "gate", lambda i, _: [("good", 1.0), ("bad 1", 0.0)]).part("gate")
    found = accept(NUMBER, LONG, own, exploits={"comma": lambda text, prompt: f"{text},"})
    assert not found.accepted
    assert [(rank.rank, rank.plain) for rank in found.exploits] == [(1.0, 1.0)]
    assert "exploit" not in found.reason


@pytest.mark.parametrize(
    "text", ["", "name: a\ncriteria: []", "{}", "criteria: {", "criteria: [{id: a, text: b}]"]
)
def test_what_cannot_be_read_is_refused_and_says_why(text: str) -> None:
    found = accept(text, SHORT, part(10))
    assert not found.accepted
    assert found.reason.startswith("the candidate cannot be read")


def test_yaml_is_read_and_a_candidate_that_changes_nothing_is_refused() -> None:
    assert accept(SHORT.to_yaml(), LONG, part()).accepted
    again = replace(SHORT, version=9, name="another name")
    assert accept(RubricSet(again), SHORT, part()).reason == "the candidate changes nothing"


def test_a_candidate_that_nobody_can_judge_by_is_refused() -> None:
    asks = rubric(Criterion("wise", "Is it wise?", kind="judge"))
    found = accept(asks, SHORT, part(10))
    assert "cannot be judged by: " in found.reason
    with pytest.raises(ConfigError, match="need one: wise"):
        checks_judging()(asks)


class Skewed:
    """A judge by checks whose verdicts come out changed."""

    name = "skewed"
    scale = (0.0, 1.0)

    def __init__(self, own: Rubric, change: dict[str, Any], share: float) -> None:
        self._judge, self._change, self._share = RubricChecks(NoOptions(), own), change, share

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        judged = self._judge.judge(groups)
        until = self._share * len(judged)
        return [
            tuple(replace(v, **self._change) for v in own) if i < until else own
            for i, own in enumerate(judged)
        ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": 1.5}, "the score lies outside of its bounds"),
        ({"scores": {"short": -0.1}}, "criterion 'short' lies outside of its bounds"),
        ({"reward": None, "reason": "refused"}, "it leaves 25% of the anchors unscored, where 0%"),
    ],
)
def test_scores_out_of_bounds_and_scores_left_out_are_refused(
    change: dict[str, Any], message: str
) -> None:
    def judging(own: AnyRubric) -> Judge:
        assert isinstance(own, Rubric)
        return Skewed(own, change, 0.25) if own == SHORT else RubricChecks(NoOptions(), own)

    found = accept(SHORT, LONG, part(), judging=judging)
    assert not found.accepted
    assert message in found.reason


def test_the_gate_sees_its_own_part_alone() -> None:
    for name in ("propose", "report"):
        own = anchors(10, name, brief_and_rambling).part(name)
        with pytest.raises(DataError, match=f"works on the part 'gate' .*'{name}'"):
            accept(SHORT, LONG, own)
    held = anchors(30, "report", brief_and_rambling).part("report")
    assert accuracy(checks_judging()(SHORT), SHORT, held).mean > 0.85


@pytest.mark.parametrize(
    "change",
    [{"tail": 0.2}, {"tolerance": -1}, {"least_prompts": 1}, {"least_changed": 0}],
)
def test_impossible_options_are_refused(change: dict[str, Any]) -> None:
    GateOptions().check("gate")
    with pytest.raises(ConfigError, match=f"gate.{next(iter(change))}: expected"):
        GateOptions(**change).check("gate")


@pytest.mark.skipif(not GSM8K.exists(), reason="the recorded GSM8K answers are absent")
def test_on_recorded_answers_brevity_is_no_proof_of_quality() -> None:
    records = read_recorded(GSM8K, "gsm8k_solutions", 200)
    whole = AnchorSet().append(anchors_from_groups([to_group(r) for r in records], "recorded"))
    own = whole.part("gate")
    brief = rubric(criterion("brief", "length", unit="words", maximum=20))
    sums = rubric(criterion("long", "length", unit="words", minimum=400))
    found = accept(brief, sums, own, exploits=KNOWN)
    assert not found.accepted
    assert {rank.name for rank in found.exploits} == set(KNOWN)
    assert "it ranks the exploit 'title_only' high" in found.reason
