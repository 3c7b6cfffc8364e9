from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creator.estimators.evidence import NEVER, Estimated, Evidence, evidence_of
from creator.estimators.table import ESTIMATORS, TrustOptions
from creator.pool.pool import Pool, extended, numbers, texts
from creator.pool.records import RECORD, Snapshot
from creator.pool.retirement import UNRESTED, Standing
from creator.samplers.table import SAMPLERS
from selfplay.core.components import chosen
from selfplay.core.types import Group, Now, Prompt, Response, Verdict, user

FIRST = Now(round=1, policy_version=1, fingerprint="judge-1")
LATER = Now(round=4, policy_version=3, fingerprint="judge-1")
CLUSTERED = Now(
    round=4, policy_version=3, fingerprint="judge-2", alike=frozenset({"judge-1", "judge-2"})
)
REJUDGED = Now(round=4, policy_version=3, fingerprint="judge-2")


def ids(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def filled_pool(size: int = 6) -> Pool:
    pool = Pool()
    pool.codes(["sum", "spell"])
    pool.add(np.arange(10, 10 + size).astype(np.uint64), np.arange(size) % 2)
    return pool


def scored(pool: Pool, rows: np.ndarray, rewards: np.ndarray, now: Now, name: str) -> Estimated:
    evidence = Evidence(
        rewards,
        round=now.round,
        tasks_P=pool.candidates(now).only(rows).tasks_P,
        state=pool.state(rows, now),
    )
    made: Estimated = chosen(name, ESTIMATORS).build()(evidence, np.random.default_rng(0))
    pool.update(rows, made, now)
    return made


def test_prompt_ids_become_integers_and_come_back() -> None:
    prompts = [Prompt(user(f"question {i}")).id for i in range(50)]
    assert texts(numbers([*prompts, "0" * 16, "f" * 16])) == [*prompts, "0" * 16, "f" * 16]
    assert numbers(prompts)[0] == int(prompts[0], 16)
    with pytest.raises(ValueError, match="16 hex digits; found 'abc'"):
        numbers([prompts[0], "abc"])


def test_known_prompts_are_not_added_twice() -> None:
    pool = Pool()
    assert pool.add(ids(7, 3, 7, 2**64 - 1), np.array([0, 1, 0, 2])).tolist() == [0, 1, 0, 2]
    assert pool.add(ids(3, 5), np.array([9, 4])).tolist() == [1, 3]
    assert pool.ids.tolist() == [7, 3, 2**64 - 1, 5]
    assert pool.candidates(FIRST).tasks_P.tolist() == [0, 1, 2, 4]
    assert pool.rows(ids(5, 4, 2**64 - 1)).tolist() == [3, -1, 2]


batches = st.lists(
    st.tuples(st.booleans(), st.lists(st.integers(0, 30), max_size=8)), min_size=1, max_size=8
)


@settings(max_examples=80, deadline=None)
@given(batches=batches)
def test_the_pool_finds_what_a_dictionary_would(batches: list[tuple[bool, list[int]]]) -> None:
    pool, known = Pool(), dict[int, None]()
    for adds, values in batches:
        batch = np.array(values, dtype=np.uint64) << np.uint64(59)
        if adds:
            pool.add(batch, np.zeros(len(values), int))
            known |= dict.fromkeys(batch.tolist())
        else:
            rows = pool.rows(batch)
            pool.remove(rows[rows >= 0])
            known = {key: None for key in known if key not in batch.tolist()}
        assert pool.ids.tolist() == list(known)
        every = np.arange(32).astype(np.uint64) << np.uint64(59)
        places = {key: place for place, key in enumerate(known)}
        assert pool.rows(every).tolist() == [places.get(key, -1) for key in every.tolist()]


def test_a_prompt_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="stands in the pool twice"):
        extended(np.empty(0, np.uint32), ids(4, 2, 4))
    order = extended(np.empty(0, np.uint32), ids(4, 2))
    with pytest.raises(ValueError, match="stands in the pool twice"):
        extended(order, ids(4, 2, 2))
    twice = filled_pool(2).snapshot()
    with pytest.raises(ValueError, match="stands in the pool twice"):
        Pool.restored(replace(twice, records_P=np.repeat(twice.records_P, 2)))


def test_only_scored_prompts_are_written_and_stamped() -> None:
    pool = filled_pool()
    rows = np.array([1, 4])
    scored(pool, rows, np.array([[nan, nan], [0.0, 1.0]]), FIRST, "regret_gap")
    assert pool.values[4] == 1.0
    assert np.isnan(pool.values[[0, 1]]).all()
    record = pool.snapshot().records_P[4]
    assert (record["count"], record["seen"], record["visits"], record["policy"]) == (2, 1, 1, 1)
    assert pool.snapshot().records_P[1]["seen"] == NEVER
    assert pool.snapshot().judgings == ("judge-1",)


def test_a_prompt_is_updated_once_at_a_time() -> None:
    pool = filled_pool()
    with pytest.raises(ValueError, match="updated once"):
        scored(pool, np.array([1, 1]), np.ones((2, 2)), FIRST, "regret_gap")


def test_estimators_remember_through_the_pool() -> None:
    pool = filled_pool()
    rows = np.array([2, 3])
    scored(pool, rows, np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), FIRST, "posterior")
    scored(pool, rows[:1], np.array([[0.0, 0.0, 0.0]]), LATER, "posterior")
    state = pool.state(rows, LATER)
    np.testing.assert_allclose(state.successes_P, [2 * 0.8**3, 0.0], rtol=1e-6)
    np.testing.assert_allclose(state.failures_P, [0.8**3 + 3, 3.0], rtol=1e-6)
    assert state.visits_P.tolist() == [2, 1]
    scored(pool, rows, np.array([[0.0, 1.0], [0.0, 1.0]]), LATER, "category_bandit")
    assert pool.state(rows, LATER).tasks_K.shape == (2,)


def test_under_another_judging_values_and_memories_are_unknown() -> None:
    pool = filled_pool()
    rows = np.arange(3)
    scored(pool, rows, np.tile([0.0, 1.0], (3, 1)), FIRST, "posterior")
    scored(pool, rows[:1], np.array([[0.0, 1.0]]), REJUDGED, "posterior")
    found = pool.candidates(REJUDGED)
    assert np.isfinite(found.scores_P).tolist() == [True, *[False] * 5]
    assert found.successes_P is not None
    assert found.successes_P.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    state = pool.state(rows, REJUDGED)
    assert state.successes_P.tolist() == [1.0, 0.0, 0.0]
    assert state.seen_P.tolist() == [4, 1, 1]
    assert np.isfinite(pool.candidates(FIRST).scores_P).tolist()[:3] == [False, True, True]


def test_stale_values_are_discounted_when_asked() -> None:
    pool = filled_pool(3)
    scored(pool, np.array([0]), np.array([[0.0, 1.0]]), FIRST, "regret_gap")
    scored(pool, np.array([1]), np.array([[0.0, 0.0]]), LATER, "regret_gap")
    plain = pool.candidates(LATER).scores_P
    np.testing.assert_array_equal(plain, np.array([1.0, 0.0, nan]))
    faded = pool.candidates(LATER, TrustOptions(rounds=3.0)).scores_P
    mean = 0.5 / 1.5
    np.testing.assert_allclose(faded, [mean + 0.5 * (1 - mean), 0.0, nan], atol=1e-9)
    assert pool.candidates(LATER).ages_P is not None
    np.testing.assert_array_equal(pool.candidates(LATER).ages_P, [3, 0, 5])


def test_prompts_may_be_parents_while_their_estimate_is_young_and_they_do_not_rest() -> None:
    pool = filled_pool(5)
    scored(pool, np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]), FIRST, "regret_gap")
    scored(pool, np.array([2]), np.array([[0.0, 1.0]]), LATER, "regret_gap")
    scored(pool, np.array([3]), np.array([[0.0, 1.0]]), REJUDGED, "regret_gap")
    assert pool.available(LATER, 4).tolist() == [True, True, True, False, False]
    assert pool.available(LATER, 3).tolist() == [False, False, True, False, False]
    assert pool.available(REJUDGED, 99).tolist() == [False, False, False, True, False]
    both = pool.available(CLUSTERED, 99)
    assert both.tolist() == (pool.available(LATER, 99) | pool.available(REJUDGED, 99)).tolist()
    unheard = replace(LATER, fingerprint="judge-3")
    assert not pool.available(unheard, 99).any()
    pool.stand(np.array([0, 1]), Standing(np.ones(2), np.array([3, 3]), np.array([4, 5])))
    assert pool.available(LATER, 4).tolist() == [True, False, True, False, False]


def test_how_a_prompt_stands_is_forgotten_under_another_judging() -> None:
    pool = filled_pool(2)
    rows = np.array([1])
    scored(pool, rows, np.array([[1.0, 1.0]]), FIRST, "regret_gap")
    pool.stand(rows, Standing(np.array([0.75]), np.array([2]), np.array([9])))
    known, foreign = pool.standing(rows, LATER), pool.standing(rows, REJUDGED)
    assert (known.rates_P[0], known.streaks_P[0], known.rests_P[0]) == (0.75, 2, 9)
    assert np.isnan(foreign.rates_P[0])
    assert (foreign.streaks_P[0], foreign.rests_P[0]) == (0, UNRESTED)


def test_replacement_sees_the_values_that_are_known_under_the_judging_in_force() -> None:
    pool = filled_pool(3)
    pool.add(ids(77), np.array([1]), pool.operator_codes(["harder", "fresh"])[1:])
    scored(pool, np.array([0]), np.array([[0.0, 0.5]]), FIRST, "regret_gap")
    scored(pool, np.array([1]), np.array([[0.0, 1.0]]), REJUDGED, "regret_gap")
    pool.stand(np.array([0, 1]), Standing(np.array([0.5, 0.25]), np.zeros(2), np.zeros(2)))
    found = pool.contents(LATER, held=3)
    np.testing.assert_array_equal(found.values_P, [0.5, nan, nan, nan])
    np.testing.assert_array_equal(found.rates_P, [0.5, nan, nan, nan])
    assert found.seen_P.tolist() == [1, 4, NEVER, NEVER]
    assert found.tasks_P.tolist() == [0, 1, 0, 1]
    assert found.operators_P.tolist() == [0, 0, 0, 1]
    assert found.new_P.tolist() == [False, False, False, True]


def test_a_stored_pool_comes_back_whole_and_other_bytes_are_refused() -> None:
    pool = filled_pool(6)
    pool.operator_codes(["schärfer\n", "fresh"])
    scored(pool, np.arange(4), np.random.default_rng(0).random((4, 3)), FIRST, "category_bandit")
    packed = pool.snapshot().to_bytes()
    back = Pool.restored(Snapshot.from_bytes(packed))
    assert back.snapshot().to_bytes() == packed
    assert back.tasks == ("sum", "spell")
    other = replace(pool.snapshot(), records_P=np.zeros(3, [("id", "<u8")]))
    with pytest.raises(ValueError, match="expected records of"):
        Snapshot.from_bytes(other.to_bytes())


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_draws_from_a_pool_and_the_same_after_it_was_restored(name: str) -> None:
    pool = filled_pool(40)
    rng = np.random.default_rng(0)
    scored(pool, np.arange(30), rng.random((30, 4)), FIRST, "posterior")
    pool.remove(np.array([3, 17]))
    sampler = chosen(name, SAMPLERS).build()
    drawn = pool.draw(sampler, 10, LATER, np.random.default_rng(1))
    assert len(set(drawn.tolist())) == 10
    restored = Pool.restored(pool.snapshot())
    again = restored.draw(sampler, 10, LATER, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn, again)
    assert restored.snapshot().records_P.tobytes() == pool.snapshot().records_P.tobytes()


def test_rows_added_in_between_do_not_change_what_is_remembered_of_others() -> None:
    pool = filled_pool(5)
    scored(pool, np.array([4]), np.array([[0.0, 0.6]]), FIRST, "regret_gap")
    rows = pool.add(ids(3, 14, 99), np.array([0, 0, 1]))
    assert rows.tolist() == [5, 4, 6]
    assert pool.values[4] == np.float32(0.6)
    pool.remove(np.array([0, 1]))
    assert pool.rows(ids(14, 99, 10)).tolist() == [2, 4, -1]
    assert pool.values[2] == np.float32(0.6)


def test_a_prompt_takes_less_than_a_hundred_bytes_however_the_pool_grew() -> None:
    pool = Pool()
    rng = np.random.default_rng(0)
    for _ in range(40):
        new = rng.integers(0, 2**64, 500, dtype=np.uint64)
        pool.add(new, np.zeros(500, int))
        assert pool.nbytes <= 100 * len(pool)
    exact = Pool.restored(pool.snapshot())
    assert exact.nbytes == (RECORD.itemsize + 4) * len(exact)


def test_informative_prompts_are_drawn_from_judged_groups() -> None:
    def group(i: int, rewards: tuple[float, ...]) -> Group:
        answer = Response("x", np.zeros(3, np.int32), None, "stop")
        asked = Group(Prompt(user(f"{i}")), (answer,) * len(rewards), "train", 1)
        return asked.judged([Verdict(reward) for reward in rewards], "judge-1")

    groups = [group(i, (0.0, 1.0, 0.0) if i < 5 else (1.0, 1.0, 1.0)) for i in range(50)]
    pool = Pool()
    tasks = pool.codes([g.prompt.task for g in groups])
    rows = pool.add(numbers([g.prompt.id for g in groups]), tasks)
    evidence = evidence_of(groups, FIRST.round, tasks, pool.state(rows, FIRST))
    estimator = chosen("learnability", ESTIMATORS).build()
    pool.update(rows, estimator(evidence, np.random.default_rng(0)), FIRST)
    sampler = chosen("proportional", SAMPLERS).build()
    drawn = pool.draw(sampler, 5, FIRST, np.random.default_rng(0))
    informative = {g.prompt.id for g in groups[:5]}
    assert set(texts(pool.ids[drawn])) == informative


def test_an_empty_pool_gives_nothing() -> None:
    pool = Pool()
    sampler = chosen("plr", SAMPLERS).build()
    assert pool.draw(sampler, 4, FIRST, np.random.default_rng(0)).size == 0
    assert pool.rows(ids(1)).tolist() == [-1]
    assert len(Pool.restored(pool.snapshot())) == 0
