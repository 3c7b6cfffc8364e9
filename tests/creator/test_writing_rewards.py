"""What a rewriter's replies are worth, by hand, and which of them can be learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from creator.coaching import (
    SPARE,
    UNKNOWN,
    children_of,
    informativeness,
    lesson_of,
    rewarded,
    rewritten_texts,
)
from creator.operators.in_breadth import CROSSOVER
from creator.operators.in_depth import DEEPEN
from creator.operators.instruction import CLOSING, OPENING
from creator.training import REWARDS
from selfplay.core.components import chosen
from selfplay.core.types import Group, Lineage, Message, Prompt, Response, Verdict, user

WRITER = "writer"
ANTS, BEES = (Prompt(user(f"Why do {thing} sleep?")) for thing in ("ants", "bees"))


def reply(text: str, finish: str = "stop", logprobs: bool = True) -> Response:
    ids = np.arange(3, dtype=np.int32)
    logps = np.full(3, -1.0, np.float32) if logprobs else None
    return Response(text, ids, logps, finish)  # type: ignore[arg-type]


def marked(text: str) -> Response:
    return reply(f"{OPENING}\n{text}\n{CLOSING}")


def asked(replies: Sequence[Response], parent: Prompt = ANTS) -> Group:
    request = Prompt(DEEPEN.request([parent]), task="rewriting")
    return Group(request, tuple(replies), "rewrite", policy_version=1)


def child(text: str, *parents: Prompt, t: int = 2, model: str = WRITER) -> Prompt:
    ids = tuple(parent.id for parent in parents or (ANTS,))
    return Prompt(user(text), lineage=Lineage(ids, "deepen", model, round=t))


def answered(prompt: Prompt, *rewards: float | None) -> Group:
    verdicts = [Verdict(r) if r is not None else Verdict.missing("late") for r in rewards]
    responses = tuple(reply("42") for _ in rewards)
    return Group(prompt, responses, "train", 1).judged(verdicts, "judge")


def rewards_of(groups: Sequence[Sequence[Verdict]]) -> list[list[float | None]]:
    return [[verdict.reward for verdict in verdicts] for verdicts in groups]


def test_a_reply_is_worth_what_its_child_is_or_nothing() -> None:
    wide, even, unjudged = (child(text) for text in ("Why?", "How so?", "When?"))
    composed = [wide, even, unjudged]
    children = children_of(composed, {ANTS.id: ANTS}, WRITER, 2)
    judged = [answered(wide, 0.1, 0.9, 0.4), answered(even, 0.5, 0.5), answered(unjudged, None, 1)]
    values = informativeness(chosen("regret_gap", REWARDS), judged, 2)
    requests = [
        asked([marked("Why?")]),
        asked([marked("How so?")]),
        asked([marked("When?")]),
        asked([marked("Turned down by a gate?")]),
        asked([reply("no markers at all")]),
        asked([reply(f"{OPENING}\nWhy?", "length")]),
        asked([marked(ANTS.text)]),  # its parent again
        asked([marked("Why?")]),  # the same child a second time
        asked([marked("Why?")], BEES),  # the same words about another parent
    ]
    found = rewarded(requests, children, values)
    (first,), *others = rewards_of(found)
    assert first == pytest.approx(0.9 - 0.1)
    assert others == [[0.0], [None], [0.0], [0.0], [0.0], [0.0], [0.0], [0.0]]
    assert found[2][0].reason == UNKNOWN
    assert found[0][0].scores == {"readable": 1.0, "admitted": 1.0}
    assert found[3][0].scores == {"readable": 1.0, "admitted": 0.0}
    assert found[4][0].scores == {"readable": 0.0, "admitted": 0.0}


def test_only_the_first_reply_that_can_be_used_is_rewarded() -> None:
    kid = child("Why?")
    children = children_of([kid], {ANTS.id: ANTS}, WRITER, 2)
    replies = [reply("nothing"), marked("Why?"), marked("How?"), reply("")]
    (verdicts,) = rewarded([asked(replies)], children, {kid.id: 0.25})
    assert rewards_of([verdicts]) == [[0.0, 0.25, None, 0.0]]
    assert verdicts[2].reason == SPARE


def test_children_of_other_rounds_models_or_parents_are_nobodys() -> None:
    others = [child("Why?", t=1), child("Who?", model="another"), child("How?", BEES)]
    children = children_of(others, {ANTS.id: ANTS, BEES.id: BEES}, WRITER, 2)
    replies = [asked([marked(text)]) for text in ("Why?", "Who?", "How?")]
    values = {prompt.id: 1.0 for prompt in others}
    assert rewards_of(rewarded(replies, children, values)) == [[0.0], [0.0], [0.0]]


def test_a_request_shows_its_parents_as_they_are() -> None:
    talk = Prompt((Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "A\n\nB")))
    assert rewritten_texts(CROSSOVER.request([talk, BEES])) == ("A\n\nB", BEES.text)


def test_equal_requests_are_one_and_those_with_a_single_reward_are_left_out() -> None:
    one, two, three = asked([marked("A")]), asked([marked("B")]), asked([marked("C")], BEES)
    given = [(one, Verdict(0.5)), (two, Verdict(0.0)), (three, Verdict(1.0))]
    (taught,) = lesson_of([group.judged([verdict], "f") for group, verdict in given])
    assert taught.prompt.id == one.prompt.id
    assert taught.rewards.tolist() == [0.5, 0.0]
    assert [response.text for response in taught.responses] == [
        group.responses[0].text for group in (one, two)
    ]


def test_replies_without_reward_or_log_probabilities_teach_nothing() -> None:
    replies = [marked("A"), marked("B"), reply("C", logprobs=False), marked("D")]
    verdicts = [Verdict(0.5), Verdict.missing(SPARE), Verdict(0.0), Verdict(1.0)]
    (taught,) = lesson_of([asked(replies).judged(verdicts, "f")])
    assert taught.rewards.tolist() == [0.5, 1.0]
    # Operators sample at temperatures of their own: the learner scores the replies itself.
    assert all(response.logprobs is None for response in taught.responses)


@pytest.mark.parametrize("name", REWARDS)
def test_a_child_that_teaches_nothing_is_worth_what_no_child_is(name: str) -> None:
    """And each metric can be had of a child's own group alone."""
    even, uneven = answered(child("How?"), 1.0, 1.0, 1.0), answered(child("Why?"), 0.0, 1.0, 0.0)
    values = informativeness(chosen(name, REWARDS), [even, uneven], 2)
    assert values[even.prompt.id] == 0.0
    assert values[uneven.prompt.id] > 0.0
