"""Data to learn from: what a run's training groups give, one round in memory at a time.

How groups become pairs, imitated and unpaired responses is the solver's business
(`solver.examples`), so an export holds what a learning stage would have learned from. Rewards are
those that the judges gave when the responses were judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from selfplay.core.seeding import Seed
from selfplay.core.types import Comparison, Group
from selfplay.exports.items import Asked, Facts, Item
from selfplay.exports.options import ExportOptions
from selfplay.ledger import groups as groups_
from selfplay.ledger.database import Database
from selfplay.ledger.groups import Decode
from selfplay.stages.labels import TRAIN

FactsOf: TypeAlias = Callable[[str], Facts | None]
"""From a prompt's id to what is known of it; None for a prompt that is not exported."""
Judged: TypeAlias = Sequence[tuple[Group, Sequence[Comparison]]]
Make: TypeAlias = Callable[[ExportOptions, Judged, Seed], Iterator[tuple[int, dict[str, Any]]]]
"""From a round's groups to (position of the group, what an `Item` has besides its prompt)."""


def response_items(
    database: Database, options: ExportOptions, decode: Decode, facts_of: FactsOf, t: int
) -> Iterator[Item]:
    """What round `t` gives, of the prompts that are exported."""
    found = groups_.groups(database, t, TRAIN, decode)
    compared: Sequence[Sequence[Comparison]] = [()] * len(found)
    if options.what == "comparisons":
        compared = groups_.comparisons(database, t, TRAIN)
    known = {group.prompt.id: facts_of(group.prompt.id) for group in found}
    judged = [
        (group, listed)
        for group, listed in zip(found, compared, strict=True)
        if group.verdicts and known[group.prompt.id] is not None
    ]
    for position, made in MAKERS[options.what](options, judged, Seed(options.seed, (t,))):
        group = judged[position][0]
        facts = known[group.prompt.id]
        assert facts is not None
        item = Item(group.prompt, facts, asked=Asked(t, group.policy_version, group.fingerprint))
        yield replace(item, **made)


def rounds_with_groups(database: Database, rounds: tuple[int, int] | None) -> list[int]:
    """The rounds that have training groups, ascending."""
    first, last = rounds or (0, 2**62)
    query = "SELECT DISTINCT round FROM groups WHERE label = ? AND round BETWEEN ? AND ?"
    return sorted(t for (t,) in database.rows(query, TRAIN, first, last))


def _pairs(options: ExportOptions, judged: Judged, seed: Seed) -> Iterator[tuple[int, Any]]:
    pairing = options.pairing.build()([group for group, _ in judged], seed)
    for pair in pairing.pairs:
        group = judged[pair.group][0]
        # Tools read a margin as a distance; a violation can lose with the higher reward.
        margin = pair.margin if pair.margin > 0 else None
        yield pair.group, {**_two(group, pair.chosen, pair.rejected), "margin": margin}


def _two(group: Group, better: int, worse: int) -> dict[str, Any]:
    texts = (group.responses[better].text, group.responses[worse].text)
    rewards = (group.verdicts[better].reward, group.verdicts[worse].reward)
    return {"responses": texts, "rewards": rewards}


def _singles(made_by: str) -> Make:
    """Responses that are selected, each by itself; `made_by` names the option that selects."""

    def make(options: ExportOptions, judged: Judged, seed: Seed) -> Iterator[tuple[int, Any]]:
        selection = getattr(options, made_by).build()([group for group, _ in judged], seed)
        for single in selection.singles:
            group = judged[single.group][0]
            yield (
                single.group,
                {
                    "responses": (group.responses[single.response].text,),
                    "rewards": (group.verdicts[single.response].reward,),
                    "label": single.desirable,
                },
            )

    return make


def _rewards(options: ExportOptions, judged: Judged, seed: Seed) -> Iterator[tuple[int, Any]]:
    for position, (group, _) in enumerate(judged):
        yield (
            position,
            {
                "responses": tuple(response.text for response in group.responses),
                "rewards": tuple(verdict.reward for verdict in group.verdicts),
            },
        )


def _comparisons(options: ExportOptions, judged: Judged, seed: Seed) -> Iterator[tuple[int, Any]]:
    """Each judgement as it was made; a tie has no better side and is left out."""
    for position, (group, listed) in enumerate(judged):
        for found in listed:
            if found.probability == 0.5:
                continue
            better, worse = (
                (found.winner, found.loser)
                if found.probability > 0.5
                else (found.loser, found.winner)
            )
            probability = max(found.probability, 1 - found.probability)
            yield position, {**_two(group, better, worse), "probability": probability}


MAKERS: Mapping[str, Make] = {
    "pairs": _pairs,
    "sft": _singles("selection"),
    "unpaired": _singles("unpaired"),
    "rewards": _rewards,
    "comparisons": _comparisons,
}
"""By what is exported."""
