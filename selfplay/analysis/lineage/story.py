"""All that a run's ledger says of one prompt, from its birth to the last group that answered it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.core.types import Estimate, Prompt, Verdict
from selfplay.ledger import codec, families, pool
from selfplay.ledger.database import Database
from selfplay.ledger.families import AnswerRow, GroupRow
from selfplay.ledger.reading import decoder, reading, whole_id


@dataclass(frozen=True)
class Answer:
    """One response and what its judge said."""

    text: str
    tokens: int
    finish_reason: str
    verdict: Verdict | None
    """None until judged; with the judging models' replies where they were asked for."""


@dataclass(frozen=True)
class Answered:
    """One group of the prompt."""

    row: GroupRow
    answers: tuple[Answer, ...] = ()
    """Empty unless they were asked for."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        found = asdict(self.row)
        del found["id"]
        return found | ({"answers": [asdict(a) for a in self.answers]} if self.answers else {})


@dataclass(frozen=True)
class Story:
    """A prompt and what became of it."""

    prompt: Prompt
    admitted: bool
    """False: held out, imported, only probed, or written for the rewriter."""
    strangers: frozenset[str]
    """Parents that are not in this run."""
    children: tuple[str, ...]
    rounds: tuple[int, ...]
    """Those that asked it."""
    estimates: tuple[Estimate, ...]
    """Oldest first."""
    groups: tuple[Answered, ...]
    """In the order in which they were answered."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.prompt.id,
            **asdict(self.prompt),
            "admitted": self.admitted,
            "parents_not_in_run": sorted(self.strangers),
            "children": list(self.children),
            "rounds": list(self.rounds),
            "estimates": [asdict(estimate) for estimate in self.estimates],
            "groups": [group.as_dict() for group in self.groups],
        }


def story(directory: Path, id_: str, responses: bool = False, replies: bool = False) -> Story:
    """What is known of a prompt.

    Args:
        directory: the run's.
        id_: the prompt's id or its first digits.
        responses: whether to read the responses too, which may load the run's tokenizer.
        replies: whether to read, of these, what judging models wrote too.

    Raises:
        DataError: no prompt, or several, have an id that begins with `id_`.
        LedgerError: there is no readable ledger in the directory.
        ModelError: texts are to be derived from token ids, and the tokenizer cannot be loaded.
    """
    with reading(directory) as database:
        whole = whole_id(database, id_)
        (prompt,) = pool.prompts(database, [whole])
        parents = prompt.lineage.parents
        groups = families.groups_of(database, whole)
        return Story(
            prompt=prompt,
            admitted=whole in pool.archived(database, [whole]),
            strangers=frozenset(parents) - pool.known(database, parents),
            children=tuple(families.children(database, [whole]).get(whole, ())),
            rounds=tuple(families.rounds_of(database, whole)),
            estimates=tuple(families.estimates_of(database, whole)),
            groups=_answered(database, directory, groups, replies)
            if responses
            else tuple(map(Answered, groups)),
        )


def _answered(
    database: Database, directory: Path, groups: Sequence[GroupRow], replies: bool
) -> tuple[Answered, ...]:
    stored = [families.answers(database, group.id, replies) for group in groups]
    derived = [answer.token_ids for row in stored for answer in row if answer.text is None]
    ids = [codec.tokens_from(blob) for blob in derived]
    texts = iter(decoder(directory)(ids) if ids else ())
    return tuple(
        Answered(
            group,
            tuple(_answer(a, next(texts) if a.text is None else a.text) for a in row),
        )
        for group, row in zip(groups, stored, strict=True)
    )


def _answer(row: AnswerRow, text: str) -> Answer:
    tokens = len(row.token_ids) // np.dtype(np.int32).itemsize
    return Answer(text, tokens, row.finish_reason, row.verdict)
