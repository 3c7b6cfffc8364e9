"""Claims about scores and comparisons that become anchors."""

from __future__ import annotations

import numpy as np
import pytest

from meta.acceptance.exploit_ranks import plant
from meta.acceptance.pairwise import pairs_of
from meta.anchors.anchors import Anchor, AnchorSet, part_of
from meta.anchors.bradley_terry import PRIOR, strengths
from meta.anchors.opinions import Opinion, Preference, Rating, anchors_from_opinions
from selfplay.core.errors import DataError
from selfplay.core.types import Prompt, user

ASKED = Prompt(user("2 + 2?"), answer="4")


def rated(response: str, score: float, scorer: str = "ann", prompt: Prompt = ASKED) -> Rating:
    return Rating(prompt, response, score, scorer)


def better(a: str, b: str, probability: float = 1.0, scorer: str = "ann") -> Preference:
    return Preference(ASKED, a, b, probability, scorer)


def scores(*opinions: Opinion) -> dict[str, float]:
    return {anchor.response: anchor.score for anchor in anchors_from_opinions(opinions)}


def scales(*opinions: Opinion) -> list[str]:
    return [anchor.scorer for anchor in anchors_from_opinions(opinions)]


# Strengths


@pytest.mark.parametrize("n", [2, 5, 40])
def test_strengths_are_where_the_posterior_is_flat(n: int) -> None:
    rng = np.random.default_rng(n)
    wins_NN = rng.integers(0, 3, (n, n)) * (1 - np.eye(n))
    found_N = strengths(wins_NN.astype(float))
    chance_NN = 1 / (1 + np.exp(found_N - found_N[:, None]))
    slope_N = (wins_NN - (wins_NN + wins_NN.T) * chance_NN).sum(axis=1)
    slope_N += PRIOR * (0.5 - 1 / (1 + np.exp(-found_N)))
    assert np.abs(slope_N).max() < 1e-9


def test_whoever_always_wins_is_finitely_strong_and_nobody_is_middling() -> None:
    chain_NN = np.eye(30, k=1)
    found_N = strengths(chain_NN)
    assert np.isfinite(found_N).all()
    assert (np.diff(found_N) < 0).all()
    assert strengths(np.zeros((3, 3))).tolist() == [0.0, 0.0, 0.0]
    assert strengths(np.zeros((0, 0))).shape == (0,)


def test_strengths_are_mirrored_when_every_comparison_is() -> None:
    wins_NN = np.array([[0, 2, 1], [1, 0, 0.5], [0, 0.5, 0]])
    np.testing.assert_allclose(strengths(wins_NN), -strengths(wins_NN.T), atol=1e-9)


# Anchors


def test_one_scorers_scores_stay_as_they_are() -> None:
    assert scores(rated("4", 5), rated("5", 1)) == {"4": 5, "5": 1}
    assert scales(rated("4", 5), rated("5", 1)) == ["ann", "ann"]


def test_of_what_one_scorer_says_twice_the_later_counts() -> None:
    assert scores(rated("4", 1), rated("5", 3), rated("4", 5)) == {"4": 5, "5": 3}
    turned = scores(better("a", "b"), better("b", "a"))
    assert turned["b"] > turned["a"]
    assert scores(better("a", "b"), better("a", "b")) == scores(better("a", "b"))


def test_scorers_on_different_scales_are_brought_onto_one() -> None:
    strict = [rated("good", 3), rated("poor", 1), rated("fair", 2)]
    lenient = [rated("good", 100, "bob"), rated("fair", 95, "bob")]
    found = scores(*strict, *lenient)
    assert found["good"] > found["fair"] > found["poor"]
    assert set(scales(*strict, *lenient)) == {"ann+bob (compared)"}


def test_scorers_who_disagree_make_a_tie() -> None:
    found = scores(rated("a", 2), rated("b", 1), rated("a", 0, "bob"), rated("b", 9, "bob"))
    assert found == {"a": 0.0, "b": 0.0}


def test_comparisons_rank_what_they_connect() -> None:
    found = scores(better("a", "b"), better("b", "c"))
    assert found["a"] > found["b"] > found["c"]
    tied = scores(better("a", "b"), better("b", "c", 0.5), better("c", "d"))
    assert tied["a"] > tied["b"] == tied["c"] > tied["d"]


def test_surer_comparisons_lie_further_apart() -> None:
    sure, unsure = scores(better("a", "b", 0.95)), scores(better("a", "b", 0.6))
    assert sure["a"] - sure["b"] > unsure["a"] - unsure["b"] > 0


def test_what_nothing_connects_is_never_compared() -> None:
    anchors = anchors_from_opinions([better("a", "b"), better("c", "d"), rated("e", 1, "bob")])
    assert [a.scorer for a in anchors] == [
        *["ann (compared)"] * 2,
        *["ann (compared) 2"] * 2,
        "bob",
    ]
    pairs = pairs_of([anchors])
    assert {(int(a), int(b)) for a, b in zip(pairs.better_M, pairs.worse_M, strict=True)} == {
        (0, 1),
        (2, 3),
    }


def test_a_comparison_joins_a_scorers_scores() -> None:
    found = scores(rated("a", 2), rated("b", 1), better("c", "a"))
    assert found["c"] > found["a"] > found["b"]


def test_prompts_are_kept_apart() -> None:
    other = Prompt(user("3 + 3?"))
    found = anchors_from_opinions([rated("4", 5), rated("6", 1, prompt=other), rated("5", 1)])
    assert [(a.prompt.id, a.response) for a in found] == [
        (ASKED.id, "4"),
        (ASKED.id, "5"),
        (other.id, "6"),
    ]


def test_anchors_do_not_depend_on_the_order_of_what_is_not_repeated() -> None:
    first: list[Opinion] = [better("a", "b"), rated("c", 1), rated("b", 2)]
    opinions = [*first, rated("a", 3, "bob"), better("c", "a")]
    assert scores(*opinions) == scores(*reversed(opinions))


def test_many_scorers_are_counted_and_not_named() -> None:
    assert set(scales(*(rated(r, 1, f"s{i}") for i in range(4) for r in "ab"))) == {
        "4 scorers (compared)"
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: rated("a", float("nan")), "expected a finite number"),
        (lambda: rated("a", 1, " "), "expected a name on one line"),
        (lambda: rated("a", 1, "ann\n"), "expected a name on one line"),
        (lambda: better("a", "a"), "found the same twice"),
        (lambda: better("a", "b", 0.4), "swap chosen and rejected"),
    ],
)
def test_a_wrong_opinion_is_refused(wrong: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        wrong()  # type: ignore[operator]


# Mixed scorers in one prompt


def test_a_persons_scores_are_never_compared_with_a_verifiers() -> None:
    verified = [Anchor(ASKED, "a", 1.0, "verifier"), Anchor(ASKED, "b", 0.0, "verifier")]
    whole = AnchorSet().append(verified).append(anchors_from_opinions([rated("c", 0.5)]))
    pairs = pairs_of([whole.anchors])
    assert (pairs.count, pairs.better_M.tolist(), pairs.worse_M.tolist()) == (1, [0], [1])


def test_a_persons_score_takes_the_place_of_a_verifiers() -> None:
    verified = [Anchor(ASKED, text, score, "verifier") for text, score in (("a", 1.0), ("b", 0.0))]
    spoken = anchors_from_opinions([rated("a", 1), rated("b", 5)])
    whole = AnchorSet().append(verified).append(spoken)
    own = whole.part(part_of(ASKED.id)).by_prompt[0]
    pairs = pairs_of([own])
    assert [own[int(pairs.better_M[0])].response, pairs.count] == ["b", 1]
    assert whole.append(spoken) is whole


def test_exploits_are_planted_on_one_scorers_scale() -> None:
    own = [
        Anchor(ASKED, "liked", 5.0, "ann"),
        Anchor(ASKED, "right", 1.0, "verifier"),
        Anchor(ASKED, "wrong", 0.0, "verifier"),
    ]
    planted = plant(own, {"praise": lambda text, prompt: f"{text} You are great."})
    assert planted is not None
    assert planted[1:] == (["right"], "wrong", {"praise": "wrong You are great."})
    assert plant(own[:2], {"praise": lambda text, prompt: text}) is None
