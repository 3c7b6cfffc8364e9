"""What a rewriter's replies were worth: the reward that a rewriter learns from.

eva's creator is in principle a policy too, rewarded with the regret of the prompts that it makes
(Ye et al., 2024, arXiv 2411.00062, section 3); the paper leaves it untrained. Here a reply whose
child was admitted is worth the child's informativeness, measured on the child's own judged group. A
reply that cannot be read, or whose child a gate turned down, is worth 0, which is also what a child
is worth on which all responses do equally well; the child of two equal replies is the first one's.
Missing, with a reason, is what nothing is known of. Pure functions of what the ledger holds.

Left out: credit for what a child's own children are worth later, and a price on replies alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from creator.estimators.evidence import Estimator, evidence_of
from creator.operators.instruction import TAGS, shown_text
from creator.operators.reply import read_reply
from creator.pool.measured import by_judging
from selfplay.core.components import Choice
from selfplay.core.types import Chat, Group, Prompt, Verdict

READABLE, ADMITTED = "readable", "admitted"
"""Scores of a reply's verdict, 0 or 1: holds it one prompt, and was that asked?"""

SPARE = "an earlier reply to the request was taken"
UNKNOWN = "the child's informativeness is not known"

Written: TypeAlias = tuple[tuple[str, ...], str]
"""The last turns of the parents, and the text that they were rewritten to."""

_SHOWN = re.compile(f"{TAGS[2]}\n(.*?)\n{TAGS[3]}", re.DOTALL)


def rewritten_texts(request: Chat) -> tuple[str, ...]:
    """The turns that a request shows as those to be rewritten, in its order.

    No prompt that holds the markers itself is ever shown, so they are found as they went in.
    """
    return tuple(_SHOWN.findall(request[-1].content))


def children_of(
    composed: Sequence[Prompt], parents: Mapping[str, Prompt], writer: str, t: int
) -> dict[Written, str]:
    """The ids of round t's new children that the model `writer` wrote, by what was written.

    Args:
        composed: the round's prompts.
        parents: by id, at least those of the prompts that the model wrote.
        writer: the model's name.
        t: the round.
    """
    return {
        (
            tuple(shown_text(parents[id_]) for id_ in child.lineage.parents),
            child.messages[-1].content,
        ): child.id
        for child in composed
        if child.lineage.model == writer and child.lineage.round == t
    }


def informativeness(metric: Choice, judged: Sequence[Group], t: int) -> dict[str, float]:
    """How informative each prompt is by its judged groups of round t; NaN where that is unknown."""
    estimator: Estimator = metric.build()
    values: dict[str, float] = {}
    for alike in by_judging(judged):
        made = estimator(evidence_of(alike, t), np.random.default_rng(t))
        ids = [group.prompt.id for group in alike]
        values |= dict(zip(ids, made.values_P.tolist(), strict=True))
    return values


def rewarded(
    requests: Iterable[Group], children: Mapping[Written, str], values: Mapping[str, float]
) -> list[tuple[Verdict, ...]]:
    """The verdicts on each request's replies.

    Args:
        requests: groups whose prompts ask for a child, in the order in which they were asked.
        children: as `children_of`.
        values: as `informativeness`.
    """
    untaken = dict(children)
    return [_verdicts(request, untaken, values) for request in requests]


def _verdicts(
    request: Group, untaken: dict[Written, str], values: Mapping[str, float]
) -> tuple[Verdict, ...]:
    """As `rewarded`; a child that a reply is rewarded for leaves `untaken`."""
    shown = rewritten_texts(request.prompt.messages)
    verdicts: list[Verdict] = []
    used = False
    for reply in request.responses:
        reading = read_reply(reply, shown)
        if not reading.prompt:
            verdicts.append(Verdict(0.0, scores={READABLE: 0.0, ADMITTED: 0.0}))
        elif used:
            verdicts.append(Verdict.missing(SPARE))
        else:
            used = True
            verdicts.append(_worth(untaken.pop((shown, reading.prompt), None), values))
    return tuple(verdicts)


def _worth(child: str | None, values: Mapping[str, float]) -> Verdict:
    if child is None:
        return Verdict(0.0, scores={READABLE: 1.0, ADMITTED: 0.0})
    value = values.get(child, np.nan)
    if not np.isfinite(value):
        return Verdict.missing(UNKNOWN)
    return Verdict(value, scores={READABLE: 1.0, ADMITTED: 1.0})


def lesson_of(requests: Sequence[Group]) -> list[Group]:
    """What a rewriter can learn from judged requests: equal ones made one, two rewards at least.

    Replies without a reward are left out, and so are those without log-probabilities: no model in
    this process wrote them. The log-probabilities themselves are left out too, since each operator
    samples at a temperature of its own: the learner scores the replies at its own.
    """
    merged = [_learnable(request) for alike in by_judging(requests) for request in alike]
    return [request for request in merged if len(request.responses) >= 2]


def _learnable(request: Group) -> Group:
    kept = [
        (replace(reply, logprobs=None), verdict)
        for reply, verdict in zip(request.responses, request.verdicts, strict=True)
        if verdict.reward is not None and reply.logprobs is not None
    ]
    return replace(
        request,
        responses=tuple(reply for reply, _ in kept),
        verdicts=tuple(verdict for _, verdict in kept),
    )
