from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from creator.config import CreatorConfig
from creator.pool import file as pool_file
from creator.pool.file import NAME
from creator.pool.memory import Eligible, Memory
from creator.pool.pool import IdArray, texts
from creator.pool.table import PoolOptions
from selfplay.config import load_values
from selfplay.core.errors import ResourceError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Lineage, Now, Prompt, Response, Verdict, user

ANSWER = Response("x", np.zeros(2, np.int32), None, "stop")
PROMPTS = [
    Prompt(user(f"question {i}"), task=f"task {i % 3}", lineage=Lineage(operator=f"by {i % 2}"))
    for i in range(60)
]
POOLS: dict[str, Mapping[str, object]] = {
    "unbounded": {},
    "lowest_value": {"capacity": 20},
    "newcomers": {"capacity": 9, "replacement": {"name": "lowest_value", "newcomers_stay": True}},
    "oldest": {"capacity": 20, "replacement": "oldest", "quotas": {"task 1": 0.6}},
    "cells": {
        "capacity": 25,
        "replacement": {"name": "cells", "skill": "task_and_operator", "bins": 3, "per_cell": 3},
    },
    "retire": {"retire": {"after": 1, "recheck": 3}, "success": None},
    "trust": {"trust": {"rounds": 2.0, "versions": 3.0}, "capacity": 30},
}


EVERY = 16
"""Rounds between two copies of the pool here."""


@pytest.fixture(autouse=True)
def few_groups_between_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_file, "EVERY", EVERY * len(history(1)))


@dataclass
class Library:
    """An archive that notes what is read."""

    read: list[str] = field(default_factory=list)
    in_force: frozenset[str] = frozenset()
    """In every round."""

    def judgings(self, t: int) -> frozenset[str]:
        return self.in_force

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        held = {prompt.id: prompt for prompt in PROMPTS}
        self.read += ids
        return [held[id_] for id_ in ids]


def config(**changes: object) -> CreatorConfig:
    values = {"memory": 100, "estimator": "posterior", **changes}
    return load_values(values, "test", CreatorConfig).config


def options(**values: object) -> PoolOptions:
    return load_values(values, "test", PoolOptions).config


def judged(prompt: Prompt, rewards: Sequence[float | None], judge: str = "judge") -> Group:
    asked = Group(prompt, (ANSWER,) * len(rewards), "train", 0)
    verdicts = [Verdict.missing("lost") if r is None else Verdict(r) for r in rewards]
    return asked.judged(verdicts, judge)


@cache
def history(t: int, seed: int = 0) -> list[Group]:
    """What round t's estimates rest on; another judge comes in from round 20 on."""
    rng = np.random.default_rng([seed, t])
    asked = rng.choice(len(PROMPTS), 8, replace=False)
    judge = "judge" if t < 20 else "other judge"
    rewards_PG = np.round(rng.random((8, 4)) * rng.integers(2, size=(8, 1)))
    pairs = zip(asked, rewards_PG.tolist(), strict=True)
    return [judged(PROMPTS[i], rewards, judge) for i, rewards in pairs]


def seated(
    pool: PoolOptions | None = None,
    past: Callable[[int], Sequence[Group]] = history,
    directory: Path | None = None,
    **changes: object,
) -> Memory:
    return Memory(config(**changes), Library(), past, Seed(3), pool, directory)


def now(t: int, judge: str = "judge") -> Now:
    return Now(t, t, judge if t < 20 else "other judge")


def look(memory: Memory, t: int) -> Eligible:
    return memory.eligible(now(t), memory.measure(t, history(t)))


def ids_of(eligible: Eligible) -> IdArray:
    return eligible.prompts.ids[eligible.prompts.rows]


def asked_in(eligible: Eligible) -> set[str]:
    return set(texts(ids_of(eligible)))


def alike(one: Eligible, other: Eligible) -> bool:
    """Whether a sampler would see the same."""
    names = ("scores_P", "ages_P", "successes_P", "failures_P", "tasks_P")
    pairs = [(getattr(one.columns, name), getattr(other.columns, name)) for name in names]
    same_columns = all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
    return same_columns and np.array_equal(ids_of(one), ids_of(other))


@pytest.mark.parametrize("name", POOLS)
def test_a_run_that_goes_on_comes_to_the_same_pool(name: str, tmp_path: Path) -> None:
    pool = options(**POOLS[name])
    whole, kept = seated(pool), seated(pool, directory=tmp_path)
    for t in range(1, 2 * EVERY + 4):
        expected = look(whole, t)
        look(kept, t)
        if t % 7 and t != 2 * EVERY + 3:
            continue
        for resumed in (seated(pool), seated(pool, directory=tmp_path)):
            assert alike(look(resumed, t), expected)
            assert resumed.pool.snapshot().to_bytes() == whole.pool.snapshot().to_bytes()
    assert (tmp_path / NAME).is_file()


@pytest.mark.parametrize("name", POOLS)
def test_refilling_a_round_does_not_change_the_pool(name: str) -> None:
    pool = options(**POOLS[name])
    plain, refilled = seated(pool), seated(pool)
    for t in range(1, 12):
        look(plain, t)
        look(refilled, t)
        more = refilled.measure_within(t, history(t + 1)[:5], Seed(1))
        refilled.eligible(now(t), more)
    assert alike(look(plain, 12), look(refilled, 12))
    assert plain.pool.snapshot().to_bytes() == refilled.pool.snapshot().to_bytes()


def test_only_the_prompts_that_are_drawn_are_read() -> None:
    library = Library()
    memory = Memory(config(), library, history, Seed(3))
    for t in range(1, 8):
        eligible = look(memory, t)
    assert len(eligible) == len(eligible.columns) > 25
    assert library.read == []
    [drawn] = eligible.prompts.read([3])
    assert library.read == [drawn.id]
    assert texts(ids_of(eligible))[3] == drawn.id


def test_prompts_are_eligible_for_as_many_rounds_as_configured() -> None:
    for rounds in (1, 2, 5):
        memory = seated(memory=rounds)
        for t in range(1, 8):
            eligible = look(memory, t)
        recent = {g.prompt.id for t in range(8 - rounds, 8) for g in history(t)}
        assert asked_in(eligible) == recent


def test_a_cluster_that_a_round_asked_nothing_is_no_other_judging_when_room_is_made() -> None:
    # Two clusters with a rubric each; round 2 asks a prompt of the second alone, and there is room
    # for three. An unknown worth would count as the mean, and a better prompt would go.
    least, poor, better, new = PROMPTS[:4]
    rounds = {
        1: [
            judged(least, [1.0, 1.0, 1.0, 1.0], "first"),
            judged(poor, [0.9, 1.0, 1.0, 1.0], "second"),
            judged(better, [0.5, 1.0, 1.0, 1.0], "second"),
        ],
        2: [judged(new, [1.0, 1.0, 0.0, 0.0], "second")],
        3: [],
    }
    pool = options(capacity=3, replacement="lowest_value")
    both = frozenset({"first", "second"})
    memory = Memory(
        config(estimator="variance"), Library(in_force=both), rounds.__getitem__, Seed(3), pool
    )
    for t in rounds:
        eligible = memory.eligible(Now(t, t, "second", both), memory.measure(t, rounds[t]))
    assert asked_in(eligible) == {poor.id, better.id, new.id}


def test_estimates_under_another_judging_make_nothing_eligible() -> None:
    memory = seated()
    for t in range(1, 22):
        eligible = look(memory, t)
    assert asked_in(eligible) == {g.prompt.id for t in (20, 21) for g in history(t)}


def test_what_was_measured_now_stands_in_the_place_of_what_was_known() -> None:
    past = {1: [judged(PROMPTS[0], [0.0, 1.0]), judged(PROMPTS[1], [0.0, 0.5])]}
    memory = seated(past=lambda t: past[t], estimator="regret_gap")
    eligible = memory.eligible(now(2), memory.measure(2, [judged(PROMPTS[0], [0.0, 0.25])]))
    assert eligible.columns.scores_P.tolist() == [0.25, 0.5]
    assert eligible.columns.ages_P is not None
    assert eligible.columns.ages_P.tolist() == [0, 1]


def test_a_prompt_whose_verdicts_are_missing_is_unknown_now_and_gone_later() -> None:
    past = {1: [judged(PROMPTS[0], [None, None]), judged(PROMPTS[1], [0.0, 1.0])], 2: []}
    memory = seated(past=lambda t: past[t])
    eligible = memory.eligible(now(1), memory.measure(1, past[1]))
    assert asked_in(eligible) == {PROMPTS[0].id, PROMPTS[1].id}
    assert np.isfinite(eligible.columns.successes_P).all()
    assert asked_in(memory.eligible(now(2), memory.measure(2, []))) == {PROMPTS[1].id}


def test_the_pool_keeps_to_its_capacity_and_what_left_is_no_parent() -> None:
    memory = seated(options(capacity=10), estimator="regret_gap")
    for t in range(1, 15):
        eligible = look(memory, t)
        fresh = {g.prompt.id for g in history(t)}
        assert len(asked_in(eligible) - fresh) <= 10
    assert len(memory.pool) <= 10 + 8
    best = np.sort(eligible.columns.scores_P)[-10:]
    assert best.min() >= 0.5


def retiring(*rates: Sequence[float | None], recheck: int = 3) -> list[bool]:
    """Whether a prompt may be a parent in each round; a rate of () is a round without a visit."""
    groups = [[judged(PROMPTS[0], rate)] if rate else [] for rate in rates]
    pool = options(retire={"after": 2, "recheck": recheck})
    memory = seated(pool, lambda t: groups[t - 1])
    return [
        bool(len(memory.eligible(now(t), memory.measure(t, asked))))
        for t, asked in enumerate(groups, 1)
    ]


def test_a_solved_prompt_rests_is_looked_at_again_and_rests_again() -> None:
    solved, mixed, none = [1.0, 1.0], [0.0, 1.0], ()
    rested = [True, False, False, False, True]
    assert retiring(solved, solved, none, none, none, solved) == [*rested, False]
    assert retiring(solved, solved, none, none, none, mixed, none) == [*rested, True, True]
    assert retiring(solved, solved, mixed) == [True, False, True]
    assert retiring(solved, mixed, solved) == [True] * 3


def test_a_prompt_without_hope_rests_and_a_lost_visit_changes_nothing() -> None:
    hopeless = [0.0, 0.0]
    assert retiring(hopeless, [None, None], hopeless, [None, None]) == [True, True, False, False]


def test_trust_moves_old_values_towards_the_mean() -> None:
    past = {1: [judged(PROMPTS[0], [0.0, 1.0])], 2: [judged(PROMPTS[1], [0.0, 0.0])], 3: []}
    plain = seated(past=lambda t: past[t], estimator="regret_gap")
    fading = seated(options(trust={"rounds": 2.0}), lambda t: past[t], estimator="regret_gap")
    found = [m.eligible(now(3), m.measure(3, [])).columns.scores_P for m in (plain, fading)]
    assert found[0].tolist() == [1.0, 0.0]
    trusts = np.array([0.5, 0.5**0.5])
    mean = trusts[0] / trusts.sum()
    np.testing.assert_allclose(found[1], [0.5 + 0.5 * mean, (1 - trusts[1]) * mean])


def test_what_was_measured_now_is_trusted_by_the_policy_that_was_measured() -> None:
    past = {1: [judged(PROMPTS[0], [0.0, 1.0]), judged(PROMPTS[1], [0.0, 0.0])], 2: []}
    memory = seated(options(trust={"versions": 1.0}), lambda t: past[t], estimator="regret_gap")
    again = replace(judged(PROMPTS[0], [0.0, 0.5]), policy_version=3)
    eligible = memory.eligible(now(3), memory.measure(3, [again]))
    # The other one is three versions old: an eighth of the trust in its 0 is left.
    mean = 0.5 / (1 + 1 / 8)
    np.testing.assert_allclose(eligible.columns.scores_P, [0.5, 7 / 8 * mean])


def test_the_copy_of_the_pool_spares_the_rounds_before_it(tmp_path: Path) -> None:
    memory = seated(directory=tmp_path)
    for t in range(1, 2 * EVERY + 3):
        look(memory, t)
    asked: list[int] = []

    def counted(t: int) -> list[Group]:
        asked.append(t)
        return history(t)

    look(seated(past=counted, directory=tmp_path), 2 * EVERY + 2)
    assert sorted(set(asked)) == [2 * EVERY, 2 * EVERY + 1]


def test_a_copy_that_does_not_fit_is_passed_over(tmp_path: Path) -> None:
    memory = seated(directory=tmp_path)
    for t in range(1, EVERY + 3):
        look(memory, t)
    whole = (tmp_path / NAME).read_bytes()

    def folded(t: int = EVERY + 2, past: Callable[[int], list[Group]] = history) -> int:
        asked: list[int] = []

        def counted(t: int) -> list[Group]:
            asked.append(t)
            return past(t)

        look(seated(past=counted, directory=tmp_path), t)
        return len(set(asked))

    assert folded() == 2
    (tmp_path / NAME).write_bytes(whole[:-1])
    assert folded() == EVERY + 1  # torn: it is written anew
    assert (tmp_path / NAME).read_bytes() == whole
    assert folded(EVERY) == EVERY - 1  # of a later round
    assert folded(past=lambda t: history(t, seed=1)) == EVERY + 1  # of another run
    (tmp_path / NAME).write_bytes(whole)
    asked = seated(options(success=0.9), directory=tmp_path)
    look(asked, EVERY + 2)
    assert (tmp_path / NAME).read_bytes() != whole  # of other options


def test_a_copy_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memory = seated(directory=tmp_path / "file")
    with pytest.raises(ResourceError, match=r"pool: expected to write .* a copy of the pool"):
        look(memory, EVERY + 1)
