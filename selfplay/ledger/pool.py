"""Prompts, their lineage, which of them were admitted, and what each round was composed of.

A prompt is written when it is first asked anything, a probe included; it joins the archive when it
is admitted, and only then is its lineage final.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from selfplay.core.errors import LedgerError
from selfplay.core.types import Composition, Estimate, Prompt, Rejection
from selfplay.ledger import codec
from selfplay.ledger.database import Database

_EVERY = 2**62
"""No round is later."""
_INSERT = (
    "INSERT INTO prompts (id, messages, task, answer, puzzle, extra, "
    "operator, model, seed, round, policy_version, fingerprint) "
    "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
)
_UPDATE = (
    "UPDATE prompts SET puzzle = ?, extra = ?, operator = ?, model = ?, seed = ?, round = ?, "
    "policy_version = ?, fingerprint = ? WHERE id = ?"
)
_BIRTH = 4
"""Where in a row of `prompts`, counted from `id`, what is not part of the id begins."""
# One JSON parameter takes any number of ids; SQLite bounds the number of plain parameters.
_KNOWN = "SELECT id FROM prompts WHERE id IN (SELECT value FROM json_each(?))"
_ARCHIVED = "SELECT prompt_id FROM archive WHERE prompt_id IN (SELECT value FROM json_each(?))"
_SELECT = (
    "SELECT id, messages, task, answer, puzzle, extra, "
    "operator, model, seed, round, policy_version, fingerprint "
    "FROM prompts WHERE id IN (SELECT value FROM json_each(?))"
)
_NEXT_PROMPT = "SELECT coalesce(max(position), -1) + 1 FROM composed_prompts WHERE round = ?"
_NEXT_REJECTION = "SELECT coalesce(max(position), -1) + 1 FROM rejections WHERE round = ?"
_SELECT_PARENTS = (
    "SELECT child, parent FROM lineage "
    "WHERE child IN (SELECT value FROM json_each(?)) ORDER BY child, position"
)


def add_prompts(database: Database, prompts: Iterable[Prompt]) -> None:
    """Writes the prompts that are not there yet; of equal prompts the first lineage stays."""
    with database.transaction():
        unique = _first(prompts)
        there = known(database, unique)
        fresh = [prompt for id_, prompt in unique.items() if id_ not in there]
        database.write(_INSERT, map(codec.prompt_row, fresh))
        _add_lineage(database, fresh)


def _first(prompts: Iterable[Prompt]) -> dict[str, Prompt]:
    """By id, the first of equal prompts."""
    unique: dict[str, Prompt] = {}
    for prompt in prompts:
        unique.setdefault(prompt.id, prompt)
    return unique


def _add_lineage(database: Database, prompts: Sequence[Prompt]) -> None:
    database.write(
        "INSERT INTO lineage (child, position, parent) VALUES (?,?,?)",
        (
            (prompt.id, position, parent)
            for prompt in prompts
            for position, parent in enumerate(prompt.lineage.parents)
        ),
    )


def admit(database: Database, prompts: Sequence[Prompt]) -> None:
    """Takes the prompts into the archive that are not there yet, in their order.

    One that was only probed before has the lineage that it is admitted with from now on.
    """
    with database.transaction():
        unique = _first(prompts)
        there = archived(database, unique)
        fresh = [prompt for id_, prompt in unique.items() if id_ not in there]
        probed = known(database, [prompt.id for prompt in fresh])
        _write_birth(database, [prompt for prompt in fresh if prompt.id in probed])
        add_prompts(database, fresh)
        database.write("INSERT INTO archive (prompt_id) VALUES (?)", [(p.id,) for p in fresh])


def _write_birth(database: Database, prompts: Sequence[Prompt]) -> None:
    """Replaces what is said of these prompts' birth."""
    database.write("DELETE FROM lineage WHERE child = ?", [(prompt.id,) for prompt in prompts])
    _add_lineage(database, prompts)
    database.write(_UPDATE, [(*codec.prompt_row(p)[_BIRTH:], p.id) for p in prompts])


def archived(database: Database, ids: Collection[str]) -> set[str]:
    """Those of `ids` that were admitted."""
    return _among(database, _ARCHIVED, ids)


def archive_size(database: Database) -> int:
    """Prompts that were admitted."""
    return int(database.rows("SELECT count(*) FROM archive")[0][0])


def archive_ids(database: Database, start: int) -> Iterator[str]:
    """The admitted prompts' ids in order of admission, from the one at place `start` (0: first)."""
    # Rows are only ever appended, so positions have no gaps.
    query = "SELECT prompt_id FROM archive WHERE position > ? ORDER BY position"
    for (id_,) in database.stream(query, start):
        yield id_


def known(database: Database, ids: Collection[str]) -> set[str]:
    """Those of `ids` that were asked anything."""
    return _among(database, _KNOWN, ids)


def _among(database: Database, query: str, ids: Collection[str]) -> set[str]:
    return {id_ for (id_,) in database.rows(query, json.dumps(list(ids)))}


def prompts(database: Database, ids: Sequence[str]) -> list[Prompt]:
    """The prompts in the order of `ids`, repetitions included.

    Raises:
        LedgerError: an id is unknown.
    """
    found = _select(database, ids)
    missing = [id_ for id_ in ids if id_ not in found]
    if missing:
        raise LedgerError(
            f"{database.path}: expected prompt {missing[0]} ({len(missing)} in all), found none "
            "with that id; check that the id belongs to this run"
        )
    return [found[id_] for id_ in ids]


def made_by(database: Database, operator: str) -> list[Prompt]:
    """The prompts whose lineage names this operator, in order of arrival."""
    return prompts(database, ids_made_by(database, operator))


def ids_made_by(database: Database, operator: str) -> list[str]:
    """The ids of the prompts whose lineage names this operator, in order of arrival."""
    found = database.rows("SELECT id FROM prompts WHERE operator = ? ORDER BY position", operator)
    return [id_ for (id_,) in found]


def _select(database: Database, ids: Sequence[str]) -> dict[str, Prompt]:
    listed = json.dumps(ids)
    parents: dict[str, list[str]] = defaultdict(list)
    for child, parent in database.rows(_SELECT_PARENTS, listed):
        parents[child].append(parent)
    rows = database.rows(_SELECT, listed)
    return {row[0]: codec.prompt_from(row, parents.get(row[0], ())) for row in rows}


def add_composition(database: Database, t: int, composition: Composition) -> None:
    """Writes a round's prompts, those that are new included, its estimates and rejections."""
    with database.transaction():
        admit(database, composition.prompts)
        counted = codec.canonical_json(composition.metrics)
        database.write("INSERT INTO compositions VALUES (?,?)", [(t, counted)])
        _append(database, t, composition.prompts, composition.rejections)
        database.write(
            "INSERT INTO estimates VALUES (?,?,?,?,?,?,?,?,?)",
            (codec.estimate_row(t, *item) for item in enumerate(composition.estimates)),
        )


def extend_composition(
    database: Database, t: int, prompts: Sequence[Prompt], rejections: Sequence[Rejection]
) -> None:
    """Writes further prompts of a round behind those that it has, and their rejected siblings."""
    with database.transaction():
        admit(database, prompts)
        _append(database, t, prompts, rejections)


def _append(
    database: Database, t: int, prompts: Sequence[Prompt], rejections: Sequence[Rejection]
) -> None:
    """Writes a round's prompts and rejections at the positions after the last ones."""
    (prompt,) = database.rows(_NEXT_PROMPT, t)[0]
    (rejection,) = database.rows(_NEXT_REJECTION, t)[0]
    database.write(
        "INSERT INTO composed_prompts VALUES (?,?,?)",
        [(t, position, item.id) for position, item in enumerate(prompts, prompt)],
    )
    database.write(
        "INSERT INTO rejections VALUES (?,?,?,?,?)",
        [codec.rejection_row(t, *item) for item in enumerate(rejections, rejection)],
    )


def composed_ids(database: Database, t: int) -> list[str]:
    """The ids of a round's prompts in their order; empty when it has not been composed."""
    query = "SELECT prompt_id FROM composed_prompts WHERE round = ? ORDER BY position"
    return [id_ for (id_,) in database.rows(query, t)]


def add_judgings(database: Database, t: int, fingerprints: Iterable[str]) -> None:
    """Writes the judgings in force while a round was composed."""
    with database.transaction():
        database.write("INSERT INTO judgings VALUES (?,?)", ((t, name) for name in fingerprints))


def judgings(database: Database, t: int) -> frozenset[str]:
    """The judgings in force while a round was composed; none where they were not written."""
    rows = database.rows("SELECT fingerprint FROM judgings WHERE round = ?", t)
    return frozenset(name for (name,) in rows)


def estimates(database: Database, since: int) -> list[Estimate]:
    """What the compositions of round `since` and later rested on, oldest first."""
    rows = database.rows(
        "SELECT prompt_id, metric, value, n, round, policy_version, fingerprint FROM estimates "
        "WHERE composed >= ? ORDER BY composed, position",
        since,
    )
    return [codec.estimate_from(row) for row in rows]


def rejections(database: Database, t: int | None) -> list[Rejection]:
    """Which children a round (None: every one) did not admit."""
    rows = database.rows(
        "SELECT operator, parent, reason FROM rejections "
        "WHERE round BETWEEN ? AND ? ORDER BY round, position",
        *((0, _EVERY) if t is None else (t, t)),
    )
    return [Rejection(*row) for row in rows]
