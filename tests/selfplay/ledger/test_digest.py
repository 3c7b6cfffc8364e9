"""Claims about the digest: it depends on content, on all of it, and on nothing else."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import pytest

from selfplay.core.models.metering import Spent
from selfplay.core.types import Comparison, Composition, Estimate, Group, Lineage, Prompt, Rejection
from selfplay.core.types import user as chat
from selfplay.ledger import (
    AlarmEntry,
    AnchorEntry,
    EndingEntry,
    Ledger,
    ReviewEntry,
    UsageEntry,
)
from selfplay.ledger.digest import LEFT_OUT, QUERIES
from selfplay.ledger.schema import MIGRATIONS

MakeGroup = Callable[..., Group]

TABLES = {
    table: re.findall(r"^    ([a-z_0-9]+) [A-Z]", body, flags=re.MULTILINE)
    for table, body in re.findall(
        r"CREATE TABLE (\w+) \((.*?)^\)", "".join(MIGRATIONS), re.S | re.M
    )
}
# Short names and the order of arrival are no content; an ending's reason may tell of wall time.
NO_CONTENT = {
    ("endings", "reason"),
    ("groups", "id"),
    ("archive", "position"),
    ("prompts", "position"),
    ("stages", "position"),
    ("policies", "saved"),
}
COLUMNS = sorted(
    (table, column)
    for table, columns in TABLES.items()
    for column in columns
    if table not in {*LEFT_OUT, "run"} and (table, column) not in NO_CONTENT
)


def fill(ledger: Ledger, group: MakeGroup, chunk: int) -> None:
    """Every table gets rows; groups come in chunks of the given size."""
    parent = Prompt(chat("p"), answer="a", extra={"k": 1})
    child = Prompt(chat("c"), lineage=Lineage((parent.id,), "harder", "m", 3, 1, 1, "f"))
    groups = [group(i) for i in range(4)]
    with ledger.commit(1, "compose") as stage:
        estimate = Estimate(parent.id, "gap", 0.5, 4, 1, 1, "f")
        rejection = Rejection("harder", parent.id, "long")
        ledger.add_composition(
            1, Composition((parent, child), (estimate,), (rejection,), {"evolved": 1.0})
        )
        stage.metrics["children"] = 1.0
    for start in range(0, 4, chunk):
        ledger.add_groups(1, "train", start, groups[start : start + chunk])
        ledger.add_comparisons(1, "train", start, [[Comparison(0, 1, 0.5, "j")]] * chunk)
    ledger.add_rubric(1, None, "text", "accepted", "start", 0)
    ledger.add_anchors([parent], [AnchorEntry(parent.id, "r", 0.5, "verifier", "core", "", 1, 1)])
    ledger.add_alarms([AlarmEntry(1, "length", "tell", "longer", 2.0, 1.0, 0.01, ((0, 1),))])
    ledger.add_review(ReviewEntry(1, "alarm", "rejected", 2, "no better", 7, {"accepted": False}))
    ledger.add_ending(EndingEntry(1, "tokens", "spent"))
    ledger.add_policy(1, 1, "aa", saved=True)


def test_chunks_costs_and_environment_do_not_matter(
    tmp_path: Path, ledger: Ledger, group: MakeGroup, decoder: Callable[..., list[str]]
) -> None:
    fill(ledger, group, chunk=4)
    with Ledger.create(tmp_path / "other.db", ledger.settings, {"torch": "3"}) as other:
        other.decode = decoder
        other.add_prompts([group(3).prompt])
        fill(other, group, chunk=1)
        other.add_cost(1, "judge", "meta", 1.0, 2, 3)
        spent = Spent("m", "http://h", 1, 0, 0, 2, 3, 0, 0, None)
        other.add_usages(1, "train", "judge", [spent])
        assert other.usages() == [UsageEntry(1, "train", "judge", *astuple(spent))]
        other.mark_saved(1, saved=False)
        assert other.digest() == ledger.digest()


def test_the_digest_survives_reopening(path: Path, ledger: Ledger, group: MakeGroup) -> None:
    fill(ledger, group, chunk=2)
    before = ledger.digest()
    with Ledger.open(path, read_only=True) as reader:
        assert reader.digest() == before
    ledger.close()
    with Ledger.open(path) as again:
        assert again.digest() == before


def test_every_table_is_digested_or_left_out_on_purpose() -> None:
    assert set(QUERIES) | LEFT_OUT == set(TABLES)


def test_settings_matter(ledger: Ledger) -> None:
    before = ledger.digest()
    ledger.amend_settings({"seed": 2})
    assert ledger.digest() != before


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory,
    group: MakeGroup,
    decoder: Callable[..., list[str]],
) -> tuple[Path, str]:
    """A closed ledger with rows in every table, and its digest."""
    path = tmp_path_factory.mktemp("filled") / "ledger.db"
    with Ledger.create(path, {}, {}) as ledger:
        ledger.decode = decoder
        fill(ledger, group, chunk=2)
        return path, ledger.digest()


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_any_changed_value_changes_the_digest(
    tmp_path: Path, filled: tuple[Path, str], table: str, column: str
) -> None:
    before = filled[1]
    path = Path(shutil.copy(filled[0], tmp_path))
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA synchronous=OFF")
        # Moves a reference to another row where there is one; changes any other value.
        value = 4 if column == "group_id" else 77
        where = f"{column} = (SELECT max({column}) FROM {table})"
        if column == "group_id":
            where = "group_id = 3 AND position = 0"
            raw.execute(f"DELETE FROM {table} WHERE group_id = 4 AND position = 0")
        elif raw.execute(f"SELECT max({column}) FROM {table}").fetchone()[0] is None:
            where = "1 = 1"
        changed = raw.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {where}", (value,))
        assert changed.rowcount >= 1
    raw.close()
    with Ledger.open(path, read_only=True) as again:
        assert again.digest() != before
