"""Claims about the reviewer that needs no language model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meta.acceptance.gate import Gate
from meta.acceptance.options import GateOptions
from meta.anchors.anchors import Anchor, AnchorSet, Part, anchors_from_groups
from meta.reviewers import Evidence, Proposal, Reviewer
from meta.reviewers.catalogue import catalogue, denied_checks
from meta.reviewers.edits import edits_of
from meta.reviewers.statistical import StatisticalReviewer, Table
from meta.reviewers.table import REVIEWERS, StatisticalOptions
from meta.rubrics.rubric import MAX_CRITERIA, Criterion, Rubric, rubric_from_yaml
from selfplay.core.checks import CHECKS
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.seeding import Seed
from selfplay.data.recorded import read_recorded, to_group
from tests.meta.trusted import LONG, anchors, brief_and_rambling, criterion, prompts_in, rubric

GSM8K = Path(__file__).parents[2] / "../shared/data/gsm8k/example_model_solutions.jsonl"
SEED = Seed(7)
VOWEL = rubric(criterion("neat", "ends_with", texts=["a", "e", "i", "o", "u"]))
SILENT = Criterion("wise", "Is it wise?", 4.0, kind="judge")


def propose(own: Rubric, part: Part, seed: Seed = SEED, **options: Any) -> Proposal:
    reviewer: Reviewer = chosen("statistical", REVIEWERS, StatisticalOptions(**options)).build()
    return reviewer.propose(Evidence(own, part), seed)


def trusted(count: int = 60, seed: int = 0) -> Part:
    return anchors(count, "propose", brief_and_rambling, seed).part("propose")


def vowels_lie(i: int, rng: np.random.Generator) -> list[tuple[str, float]]:
    """The exploit: bad work ends on a vowel; good work has a number in it."""
    return [(f"word {int(rng.integers(99))} fin", 1.0), ("word banana", 0.0), ("so so", 0.0)]


def noise(i: int, rng: np.random.Generator) -> list[tuple[str, float]]:
    words = ["apple", "tree 5", "SUN", "a long road home", "why?", "no, no, no"]
    return [
        (f"{words[int(rng.integers(6))]} {words[int(rng.integers(6))]}{j}", float(rng.integers(2)))
        for j in range(4)
    ]


def test_it_mends_a_rubric_that_rewards_the_wrong_thing_and_the_gate_accepts() -> None:
    found = propose(LONG, trusted())
    assert found.rubric is not None
    assert found.rubric.version == LONG.version + 1
    gate = anchors(40, "gate", brief_and_rambling, 1).part("gate")
    decision = Gate(GateOptions()).accept(found.rubric, LONG, gate)
    assert decision.accepted
    assert decision.core is not None
    assert decision.core.candidate > 0.8
    assert "pairwise accuracy 0.087 to 0.946" in found.reason


def test_an_exploited_reward_becomes_a_deduction_or_goes() -> None:
    part = anchors(60, "propose", vowels_lie).part("propose")
    found = propose(VOWEL, part, max_edits=1, deny=tuple(sorted(set(CHECKS) - {"ends_with"})))
    assert found.rubric is not None
    (neat,) = [c for c in found.rubric.criteria if c.id == "neat"]
    assert neat.sign == "deduction"
    assert found.reason.startswith("changes sign of 'neat' from 'reward' to 'deduction'")


def test_a_threshold_is_moved() -> None:
    loose = rubric(criterion("short", "length", unit="words", maximum=500))
    found = propose(loose, trusted(), max_edits=1, weights=(1.0,))
    assert found.rubric is not None
    shorter = [c for c in found.rubric.criteria if c.check == "length"]
    assert min(c.params["maximum"] for c in shorter) < 60


def test_a_criterion_that_only_confuses_is_dropped() -> None:
    number = criterion("number", "number", 1.0)
    confused = rubric(number, replace(VOWEL.criteria[0], weight=3.0))
    part = anchors(60, "propose", vowels_lie).part("propose")
    only = tuple(sorted(set(CHECKS) - {"ends_with", "number"}))
    reviewer = StatisticalReviewer(StatisticalOptions(deny=only, max_edits=1, weights=(1.0,)))
    found = reviewer.propose(Evidence(confused, part), SEED).rubric
    assert found is not None
    table = Table(part.by_prompt, denied_checks(only))
    assert table.core_accuracy(found) == 1.0 > table.core_accuracy(confused)


def test_on_noise_it_proposes_nothing() -> None:
    asked = [
        propose(VOWEL, anchors(40, "propose", noise, seed).part("propose")) for seed in range(8)
    ]
    silent = [found for found in asked if found.rubric is None]
    assert len(silent) >= 7
    assert "edits is shown to help on" in silent[0].reason


def test_a_good_rubric_is_left_alone() -> None:
    part = anchors(60, "propose", vowels_lie).part("propose")
    assert propose(rubric(criterion("number", "number")), part).rubric is None


def test_the_same_evidence_and_seed_give_the_same_proposal() -> None:
    part = trusted(60)
    first = propose(LONG, part, max_prompts=30)
    assert first == propose(LONG, part, max_prompts=30)
    assert first.rubric is not None
    reasons = {propose(LONG, part, Seed(i), max_prompts=30).reason for i in range(4)}
    assert len(reasons) > 1, "the seed draws the prompts"


@pytest.mark.parametrize("name", ["gate", "report"])
def test_it_cannot_be_shown_what_the_gate_tests_on(name: Any) -> None:
    part = anchors(10, name, brief_and_rambling).part(name)
    with pytest.raises(DataError, match="a reviewer works on the part 'propose'"):
        Evidence(LONG, part)


def test_the_answer_key_is_never_used_even_where_nothing_else_helps() -> None:
    whole = AnchorSet().append(
        Anchor(asked, text, score, "verifier")
        for asked in prompts_in("propose", 40)
        for text, score in ((str(asked.answer), 1.0), (f"{int(asked.answer or 0) + 1}", 0.0))
    )
    keyed = rubric(*VOWEL.criteria, criterion("right", "exact_answer", 0.001))
    for own in (VOWEL, keyed):
        found = propose(own, whole.part("propose"))
        assert found.rubric is None
        assert "pairwise accuracy 0.500" in found.reason
    assert "exact_answer" in denied_checks(())
    assert not [m for m in catalogue([["a", "b"]], denied_checks(()), 0.2) if m.check in DENIED]


DENIED = [name for name, row in CHECKS.items() if row.uses_answer]


def test_criteria_it_may_not_edit_stay_as_they_are() -> None:
    right = criterion("right", "exact_answer")
    own = rubric(SILENT, right, LONG.criteria[0])
    found = propose(own, trusted())
    assert found.rubric is not None
    assert found.rubric.criteria[:2] == (SILENT, right)


def test_denied_checks_are_neither_added_nor_edited() -> None:
    found = propose(LONG, trusted(), deny=("length",))
    criteria = found.rubric.criteria if found.rubric else LONG.criteria
    assert [c for c in criteria if c.check == "length"] == list(LONG.criteria)


def test_an_instances_own_words_do_not_become_criteria() -> None:
    texts = [[f"the result is CEMEX{i}", f"it is so number{i}"] for i in range(40)]
    words = [
        word
        for measure in catalogue(texts, denied_checks(()), 0.2)
        for word in measure.params.get("texts", [])
    ]
    assert {"the", "it"} <= set(words)
    assert [word for word in words if "cemex" in word or "number" in word] == []


def test_a_full_rubric_is_edited_and_not_made_longer() -> None:
    full = rubric(
        *(criterion(f"c{i}", "length", minimum=30 + i) for i in range(MAX_CRITERIA - 1)),
        *LONG.criteria,
    )
    edits = edits_of(full, catalogue([["a b c"]], denied_checks(()), 0.2), frozenset(), (1.0,))
    assert max(len(edit.criteria) for edit in edits) == MAX_CRITERIA


def test_every_edit_is_a_rubric_that_survives_yaml() -> None:
    part = trusted(10)
    texts = [[anchor.response for anchor in own] for own in part.by_prompt]
    edits = list(edits_of(VOWEL, catalogue(texts, denied_checks(()), 0.2), frozenset(), (1.0, 2.0)))
    assert len(edits) > 100
    for edit in edits[::7]:
        assert rubric_from_yaml(edit.to_yaml()).to_yaml() == edit.to_yaml()


def test_too_few_anchors_are_said() -> None:
    found = propose(LONG, trusted(5))
    assert found.rubric is None
    assert "too few anchors to propose from: 5 prompts" in found.reason


@pytest.mark.parametrize(
    "change",
    [{"max_edits": 0}, {"level": 1.0}, {"weights": ()}, {"common": 0.0}, {"deny": ("lenght",)}],
)
def test_impossible_options_are_refused(change: dict[str, Any]) -> None:
    StatisticalOptions().check("review")
    with pytest.raises(ConfigError, match=f"review.{next(iter(change))}: expected"):
        StatisticalOptions(**change).check("review")


@pytest.mark.skipif(not GSM8K.exists(), reason="the recorded GSM8K answers are absent")
def test_on_recorded_answers_a_rubric_that_rewards_length_is_repaired_past_the_gate() -> None:
    """Real answers; the planted exploit repeats wrong ones, as a policy under `long` would."""
    records = read_recorded(GSM8K, "gsm8k_solutions", 500)
    whole = AnchorSet().append(anchors_from_groups([to_group(r) for r in records], "recorded"))
    padded = [
        replace(a, response=f"{a.response}\n" * 6, origin="suspect", alarm="length")
        for a in whole.anchors
        if a.score == 0
    ]
    whole = whole.append(padded)
    long = rubric(criterion("long", "length", unit="characters", minimum=2000))
    found = propose(long, whole.part("propose"), max_prompts=120)
    assert found.rubric is not None
    decision = Gate(GateOptions()).accept(found.rubric, long, whole.part("gate"))
    assert decision.accepted
    assert decision.suspects is not None
    assert decision.suspects.candidate > 0.8 > 0.2 > decision.suspects.current
