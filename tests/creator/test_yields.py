from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from creator.bandits.yields import NONE, Cohorts, Yield, Yields, operator_metrics
from selfplay.core.types import Group, Lineage, Prompt, Purpose, Rejection, Response, Verdict, user
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.stages.labels import ESTIMATE, TRAIN
from tests.selfplay.small_runs import play_out

ANSWER = Response("x", np.array([1], dtype=np.int32), None, "stop")


def child(text: str, operator: str, t: int) -> Prompt:
    return Prompt(user(text), lineage=Lineage(("parent",), operator, round=t))


def group(prompt: Prompt, rewards: Sequence[float], purpose: Purpose = "train") -> Group:
    verdicts = [Verdict.missing("none") if math.isnan(r) else Verdict(r) for r in rewards]
    asked = Group(prompt, (ANSWER,) * len(rewards), purpose, policy_version=0)
    return asked.judged(verdicts, "judge")


class Shelf:
    """An archive in memory: what each round composed, turned down and judged."""

    def __init__(self) -> None:
        self.rounds: dict[int, tuple[list[Prompt], list[Rejection], list[Group]]] = {}
        self.read: Counter[int] = Counter()

    def add(self, t: int, groups: Sequence[Group], rejections: Sequence[Rejection] = ()) -> None:
        prompts = [group.prompt for group in groups if group.purpose == "train"]
        self.rounds[t] = (prompts, list(rejections), list(groups))

    def composition(self, t: int) -> list[Prompt]:
        self.read[t] += 1
        return self.rounds[t][0]

    def rejections(self, t: int) -> list[Rejection]:
        return self.rounds[t][1]

    def judged(self, t: int) -> list[Group]:
        return self.rounds[t][2]


def until(shelf: Shelf, t: int) -> dict[str, Yield]:
    return Yields(shelf, shelf.judged).until(t).totals()


def test_attempts_are_children_and_rejections_together() -> None:
    shelf = Shelf()
    turned_down = [
        Rejection("harder", "parent", "duplicate"),
        Rejection("easier", "parent", "long"),
    ]
    shelf.add(1, [group(child("a", "harder", 1), [0, 1])], turned_down)
    found = until(shelf, 1)
    assert (found["harder"].tried, found["harder"].admitted) == (2, 1)
    assert (found["easier"].tried, found["easier"].admitted) == (1, 0)


def test_a_child_is_learnable_if_its_first_group_is_mixed() -> None:
    shelf = Shelf()
    shelf.add(
        1,
        [
            group(child("mixed", "harder", 1), [0, 1, 1, 1]),
            group(child("solved", "harder", 1), [1, 1, 1, 1]),
            group(child("failed", "harder", 1), [0, 0.2, 0, 0.4]),
        ],
    )
    found = until(shelf, 1)["harder"]
    assert (found.judged, found.learnable) == (3, 1)
    assert found.informativeness == pytest.approx(4 / 3 * 0.75 * 0.25)


def test_originals_and_prompts_of_earlier_rounds_are_nobodys_children() -> None:
    shelf = Shelf()
    original = Prompt(user("o"), lineage=Lineage(operator="original"))
    repeated = child("r", "harder", 1)
    shelf.add(1, [group(repeated, [0, 1])])
    shelf.add(2, [group(original, [0, 1]), group(repeated, [0, 1])])
    assert Yields(shelf, shelf.judged).until(2)[1] == {}


def test_a_child_that_failed_and_succeeds_in_a_later_round_is_solved_later() -> None:
    shelf, late = Shelf(), child("late", "harder", 1)
    shelf.add(1, [group(late, [0, 0, 0, 1])])
    shelf.add(2, [group(late, [0, 0, 1, 0], "estimate")])
    shelf.add(3, [group(late, [1, 0, 1, 1], "estimate")])
    shelf.add(4, [group(late, [1, 1, 1, 1])])
    yields = Yields(shelf, shelf.judged)
    assert yields.until(2)[0]["harder"].solved_later == 0
    assert yields.until(3)[0]["harder"].solved_later == 1
    assert yields.until(4).totals()["harder"].solved_later == 1


def test_a_child_that_was_solved_at_once_is_not_solved_later() -> None:
    shelf, easy = Shelf(), child("easy", "easier", 1)
    shelf.add(1, [group(easy, [1, 1, 0, 1])])
    shelf.add(2, [group(easy, [1, 1, 1, 1])])
    assert until(shelf, 2)["easier"].solved_later == 0


def test_two_groups_of_one_round_do_not_solve_a_child_later() -> None:
    shelf, twice = Shelf(), child("twice", "harder", 1)
    shelf.add(1, [group(twice, [0, 0]), group(twice, [1, 1], "estimate")])
    assert until(shelf, 1)["harder"].solved_later == 0


def test_a_probe_before_training_is_not_the_first_group() -> None:
    shelf, probed = Shelf(), child("probed", "harder", 1)
    shelf.add(1, [group(probed, [0, 0], "estimate"), group(probed, [0, 1])])
    assert until(shelf, 1)["harder"].learnable == 1


def test_a_child_without_two_rewards_is_a_trial_that_has_not_ended() -> None:
    shelf = Shelf()
    shelf.add(
        1,
        [
            group(child("one", "harder", 1), [1, math.nan]),
            group(child("none", "harder", 1), [math.nan, math.nan]),
            group(child("two", "harder", 1), [1, 0, math.nan]),
        ],
        [Rejection("harder", "parent", "duplicate")],
    )
    found = until(shelf, 1)["harder"]
    assert (found.tried, found.judged, found.trials) == (4, 1, 2)
    assert found.informativeness == pytest.approx(0.5)


def test_a_round_is_counted_once_however_often_it_is_asked_for() -> None:
    shelf = Shelf()
    for t in (1, 2, 3):
        shelf.add(t, [group(child(f"c{t}", "harder", t), [0, 1])])
    yields = Yields(shelf, shelf.judged)
    yields.until(1)
    yields.until(2)
    again = [dict(cohort) for cohort in yields.until(3)]
    assert again == list(yields.until(3)) == list(Yields(shelf, shelf.judged).until(3))
    assert set(shelf.read.values()) == {2}


def test_an_earlier_round_cannot_be_asked_for_again() -> None:
    shelf = Shelf()
    for t in (1, 2):
        shelf.add(t, [])
    yields = Yields(shelf, shelf.judged)
    yields.until(2)
    with pytest.raises(ValueError, match="round 2 is counted already"):
        yields.until(1)


def test_metrics_are_running_totals_and_list_untried_operators() -> None:
    cohorts = Cohorts([{"harder": Yield(3, 2, 2, 1, 1, 0.25)}])
    prompts = [child("new", "harder", 2)]
    rejections = [Rejection("harder", "parent", "duplicate")]
    found = operator_metrics(2, prompts, rejections, cohorts, ["harder", "fresh"])
    assert {name: found[f"operator/harder/{name}"] for name in ("tried", "admitted")} == {
        "tried": 5.0,
        "admitted": 3.0,
    }
    assert found["operator/harder/learnable"] == found["operator/harder/solved_later"] == 1.0
    assert found["operator/harder/informativeness"] == 0.25
    assert found["operator/fresh/tried"] == 0.0
    assert len(found) == 10


def test_yields_add_up() -> None:
    assert NONE + Yield(1, 2, 3, 4, 5, 0.5) == Yield(1, 2, 3, 4, 5, 0.5)


def test_a_real_run_counts_what_its_ledger_holds(tmp_path: Path) -> None:
    play_out(tmp_path, "creator.fresh_samples=2", "rounds=3")
    with Ledger.open(tmp_path / LEDGER, read_only=True) as ledger:
        ledger.decode = lambda ids: [""] * len(ids)

        def judged(t: int) -> list[Group]:
            return [*ledger.groups(t, f"{ESTIMATE}:0"), *ledger.groups(t, TRAIN)]

        whole = Yields(ledger, judged).until(3)
        stepwise = Yields(ledger, judged)
        steps = [[dict(cohort) for cohort in stepwise.until(t)] for t in (1, 2, 3)]
        assert steps[-1] == list(whole)
        born = [
            p.lineage.operator
            for t in (2, 3)
            for p in ledger.composition(t)
            if p.lineage.round == t
        ]
        tried = Counter(born) + Counter(r.operator for r in ledger.rejections())
        mixed = Counter(
            g.prompt.lineage.operator
            for t in (2, 3)
            for g in ledger.groups(t, TRAIN)
            if g.prompt.lineage.round == t and len(set(g.rewards.tolist())) > 1
        )
    found = whole.totals()
    assert len(born) > 4
    assert {name: counted.tried for name, counted in found.items()} == dict(tried)
    assert {name: found[name].admitted for name in set(born)} == dict(Counter(born))
    assert {n: c.learnable for n, c in found.items() if c.learnable} == dict(mixed)
