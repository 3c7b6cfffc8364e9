"""Groups with their responses, verdicts and comparisons.

A group is found by (round, label, position). A response's text is derived from its token ids and
is stored only where it cannot be: when there are no token ids, when nothing can decode them, and
when another model than the solver may have written it, here or elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import LedgerError
from selfplay.core.types import Comparison, Group, Response, Verdict
from selfplay.ledger import codec, pool
from selfplay.ledger.database import Database

Decode: TypeAlias = Callable[[Sequence[NDArray[np.int32]]], list[str]]


def add_groups(
    database: Database,
    t: int,
    label: str,
    start: int,
    groups: Sequence[Group],
    decode: Decode | None,
) -> None:
    """Writes a chunk of groups at positions `start`, `start` + 1, …; judged or not.

    Raises:
        LedgerError: a position is taken, or a group has fewer or more verdicts than responses.
    """
    with database.transaction():
        pool.add_prompts(database, [group.prompt for group in groups])
        first = database.rows("SELECT coalesce(max(id), 0) + 1 FROM groups")[0][0]
        numbered = list(enumerate(groups, first))
        database.write(
            "INSERT INTO groups VALUES (?,?,?,?,?,?,?,?,?)",
            (_group_row(id_, t, label, start + id_ - first, group) for id_, group in numbered),
        )
        database.write(
            "INSERT INTO responses VALUES (?,?,?,?,?,?)",
            (
                codec.response_row(id_, position, response, _keeps_text(group, response, decode))
                for id_, group in numbered
                for position, response in enumerate(group.responses)
            ),
        )
        _write_verdicts(
            database,
            [
                (id_, len(group.responses), group.verdicts)
                for id_, group in numbered
                if group.verdicts
            ],
        )


def _group_row(id_: int, t: int, label: str, position: int, group: Group) -> tuple[Any, ...]:
    return (
        id_,
        t,
        label,
        position,
        group.prompt.id,
        group.purpose,
        group.policy_version,
        bool(group.verdicts),
        group.fingerprint,
    )


def _keeps_text(group: Group, response: Response, decode: Decode | None) -> bool:
    others = group.purpose == "rewrite" or response.finish_reason == "recorded"
    return decode is None or others or not response.length


def add_verdicts(
    database: Database,
    t: int,
    label: str,
    start: int,
    verdicts: Sequence[Sequence[Verdict]],
    fingerprints: Sequence[str],
) -> None:
    """Judges the groups at `start`, `start` + 1, …, which were written unjudged.

    Raises:
        LedgerError: there is no such group, it is judged already, or the counts differ.
    """
    with database.transaction():
        sizes = _sizes(database, t, label, start, len(verdicts))
        database.write(
            "UPDATE groups SET judged = 1, fingerprint = ? WHERE id = ?",
            ((name, id_) for name, (id_, _) in zip(fingerprints, sizes, strict=True)),
        )
        _write_verdicts(database, [(*size, row) for size, row in zip(sizes, verdicts, strict=True)])


def clear_verdicts(database: Database, t: int, label: str) -> None:
    """Makes the groups unjudged again; their comparisons go too, the responses stay."""
    chosen = [(t, label)]
    with database.transaction():
        database.write(
            "DELETE FROM replies WHERE group_id IN "
            "(SELECT id FROM groups WHERE round = ? AND label = ?)",
            chosen,
        )
        database.write(
            "DELETE FROM verdicts WHERE group_id IN "
            "(SELECT id FROM groups WHERE round = ? AND label = ?)",
            chosen,
        )
        database.write(
            "DELETE FROM comparisons WHERE group_id IN "
            "(SELECT id FROM groups WHERE round = ? AND label = ?)",
            chosen,
        )
        database.write(
            "UPDATE groups SET judged = 0, fingerprint = '' WHERE round = ? AND label = ?", chosen
        )


def _write_verdicts(
    database: Database, chunk: Sequence[tuple[int, int, Sequence[Verdict]]]
) -> None:
    for _, size, verdicts in chunk:
        if len(verdicts) != size:
            raise LedgerError(
                f"{database.path}: expected one verdict for each of {size} responses, "
                f"found {len(verdicts)}; a judge returns as many verdicts as there are responses"
            )
    database.write(
        "INSERT INTO verdicts VALUES (?,?,?,?,?,?)",
        (
            codec.verdict_row(id_, position, verdict)
            for id_, _, verdicts in chunk
            for position, verdict in enumerate(verdicts)
        ),
    )
    database.write(
        "INSERT INTO replies VALUES (?,?,?,?)",
        (
            (id_, position, number, codec.deflated(reply))
            for id_, _, verdicts in chunk
            for position, verdict in enumerate(verdicts)
            for number, reply in enumerate(verdict.replies)
        ),
    )


def replies(database: Database, t: int, label: str) -> dict[tuple[int, int], tuple[str, ...]]:
    """What judging models wrote, by the positions of group and response; in order."""
    rows = database.rows(
        "SELECT g.position, x.position, x.reply FROM groups g JOIN replies x ON x.group_id = g.id "
        "WHERE g.round = ? AND g.label = ? ORDER BY g.position, x.position, x.number",
        *(t, label),
    )
    return {
        place: tuple(codec.inflated(reply) for *_, reply in members)
        for place, members in groupby(rows, itemgetter(0, 1))
    }


def _sizes(database: Database, t: int, label: str, start: int, count: int) -> list[tuple[int, int]]:
    """(id, number of responses) of the groups at `start` … `start` + `count` - 1."""
    found = database.rows(
        "SELECT id, (SELECT count(*) FROM responses WHERE group_id = id) FROM groups "
        "WHERE round = ? AND label = ? AND position >= ? AND position < ? ORDER BY position",
        *(t, label, start, start + count),
    )
    if len(found) != count:
        raise LedgerError(
            f"{database.path}: expected {count} groups '{label}' of round {t} from position "
            f"{start}, found {len(found)}; groups are written before they are judged"
        )
    return [(id_, size) for id_, size in found]


def add_comparisons(
    database: Database,
    t: int,
    label: str,
    start: int,
    comparisons: Sequence[Sequence[Comparison]],
) -> None:
    """Writes the comparisons inside the groups at `start`, `start` + 1, …

    Raises:
        LedgerError: there is no such group or response, or the group has comparisons already.
    """
    with database.transaction():
        sizes = _sizes(database, t, label, start, len(comparisons))
        database.write(
            "INSERT INTO comparisons VALUES (?,?,?,?,?,?)",
            (
                codec.comparison_row(id_, position, comparison)
                for (id_, _), row in zip(sizes, comparisons, strict=True)
                for position, comparison in enumerate(row)
            ),
        )


def comparisons(database: Database, t: int, label: str) -> list[list[Comparison]]:
    """For each group, in position order, the comparisons inside it."""
    rows = database.rows(
        "SELECT g.position, winner, loser, probability, judge FROM groups g "
        "LEFT JOIN comparisons c ON c.group_id = g.id "
        "WHERE round = ? AND label = ? ORDER BY g.position, c.position",
        *(t, label),
    )
    return [
        [Comparison(*row[1:]) for row in group if row[1] is not None]
        for _, group in groupby(rows, itemgetter(0))
    ]


def groups(database: Database, t: int, label: str, decode: Decode | None) -> list[Group]:
    """The groups in position order, with verdicts where they are judged.

    Raises:
        LedgerError: there are texts to derive, and nothing to derive them with.
    """
    heads = database.rows(
        "SELECT id, prompt_id, purpose, policy_version, judged, fingerprint FROM groups "
        "WHERE round = ? AND label = ? ORDER BY position",
        *(t, label),
    )
    prompts = pool.prompts(database, [head[1] for head in heads])
    answers = {id_: list(rows) for id_, rows in _answers(database, t, label, decode)}
    return [
        Group(
            prompt=prompt,
            responses=tuple(response for response, _ in answers.get(id_, ())),
            purpose=purpose,
            policy_version=policy_version,
            verdicts=tuple(map(codec.verdict_from, (row for _, row in answers.get(id_, ()))))
            if judged
            else (),
            fingerprint=fingerprint,
        )
        for prompt, (id_, _, purpose, policy_version, judged, fingerprint) in zip(
            prompts, heads, strict=True
        )
    ]


def _answers(
    database: Database, t: int, label: str, decode: Decode | None
) -> Iterator[tuple[int, Iterator[tuple[Response, tuple[Any, ...]]]]]:
    """By group id, its responses, each with the row of its verdict."""
    rows = database.rows(
        "SELECT g.id, r.token_ids, r.text, r.logprobs, r.finish_reason, "
        "v.reward, v.reason, v.scores, v.violations "
        "FROM groups g JOIN responses r ON r.group_id = g.id "
        "LEFT JOIN verdicts v ON v.group_id = r.group_id AND v.position = r.position "
        "WHERE g.round = ? AND g.label = ? ORDER BY g.position, r.position",
        *(t, label),
    )
    tokens = [codec.tokens_from(row[1]) for row in rows]
    texts = _texts(database, [row[2] for row in rows], tokens, decode)
    for id_, members in groupby(zip(rows, tokens, texts, strict=True), lambda item: item[0][0]):
        yield (
            id_,
            ((codec.response_from(row[3:5], text, ids), row[5:]) for row, ids, text in members),
        )


def _texts(
    database: Database,
    stored: Sequence[str | None],
    tokens: Sequence[NDArray[np.int32]],
    decode: Decode | None,
) -> list[str]:
    derived = [ids for ids, text in zip(tokens, stored, strict=True) if text is None]
    if derived and decode is None:
        raise LedgerError(
            f"{database.path}: expected a decoder for the texts of {len(derived)} responses, "
            "found none; load the run's tokenizer and set `ledger.decode`"
        )
    decoded = iter(decode(derived) if decode is not None and derived else ())
    return [next(decoded) if text is None else text for text in stored]
