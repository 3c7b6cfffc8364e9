"""Claims about the file: damage, full disks, crashes, readers, older schemas."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from selfplay.core.errors import LedgerError, ResourceError
from selfplay.core.types import Group, Prompt, user
from selfplay.ledger import Ledger
from selfplay.ledger.database import Database
from selfplay.ledger.schema import MIGRATIONS, migrate, schema_version

MakeGroup = Callable[..., Group]

WRITER = """
import os, signal, sys
from pathlib import Path
from selfplay.core.types import Prompt, user
from selfplay.ledger import Ledger

ledger = Ledger.open(Path(sys.argv[1]))
with ledger.commit(2, "compose") as stage:
    ledger.add_prompts([Prompt(user(f"lost {i} " + "x" * 500)) for i in range(6_000)])
    stage.metrics["x"] = 1.0
    if sys.argv[2] == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def fill(ledger: Ledger, count: int) -> None:
    ledger.add_prompts([Prompt(user(f"prompt {i}")) for i in range(count)])


@pytest.mark.parametrize(("how", "status"), [("exit", 3), ("kill", -signal.SIGKILL)])
def test_a_crash_inside_of_a_transaction_leaves_the_state_before(
    path: Path, ledger: Ledger, how: str, status: int
) -> None:
    fill(ledger, 10)
    before = ledger.digest()
    ledger.close()
    done = subprocess.run([sys.executable, "-c", WRITER, str(path), how], check=False)
    assert done.returncode == status
    with Ledger.open(path) as again:
        assert again.digest() == before
        assert not again.stage_done(2, "compose")


def test_a_crash_while_creating_leaves_no_ledger(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("ledger.db.new").write_bytes(b"half")
    path.with_name("ledger.db.new-journal").write_bytes(b"half")
    with Ledger.create(path, {}, {}) as ledger:
        fill(ledger, 1)
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.db"]


def test_a_ledger_is_not_created_over_another(path: Path, ledger: Ledger) -> None:
    fill(ledger, 3)
    with pytest.raises(LedgerError, match="resume that run"):
        Ledger.create(path, {}, {})
    assert ledger.prompt_count() == 3


def test_a_missing_ledger_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"expected a ledger at .*none\.db, found none"):
        Ledger.open(tmp_path / "none.db")


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_another_kind_says_so(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(LedgerError, match="another kind of file"):
        Ledger.open(path, read_only=read_only)


def test_another_sqlite_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(LedgerError, match="found another SQLite database"):
        Ledger.open(path)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_an_error_that_says_what_to_do(
    path: Path, ledger: Ledger, share: float, read_only: bool
) -> None:
    fill(ledger, 2000)
    ledger.close()
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(LedgerError, match="damaged or cut short: restore it from a copy"):
        Ledger.open(path, read_only=read_only)


def test_a_damaged_page_is_found_at_opening(path: Path, ledger: Ledger) -> None:
    fill(ledger, 2000)
    ledger.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 20_000)
    with pytest.raises(LedgerError, match="damaged or cut short"):
        Ledger.open(path)


def test_a_damaged_page_is_found_when_it_is_read(path: Path, ledger: Ledger) -> None:
    fill(ledger, 2000)
    ledger.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 20_000)
    with (
        Ledger.open(path, read_only=True) as reader,
        pytest.raises(LedgerError, match="damaged or cut short"),
    ):
        reader.digest()


def test_a_newer_schema_says_so(path: Path, ledger: Ledger) -> None:
    ledger.close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version=99")
    raw.close()
    with pytest.raises(LedgerError, match="schema version 99, this program knows up to"):
        Ledger.open(path, read_only=True)


def test_an_older_schema_is_brought_up_to_date(path: Path, ledger: Ledger) -> None:
    fill(ledger, 3)
    ledger.close()
    later = (*MIGRATIONS, "ALTER TABLE prompts ADD COLUMN note TEXT; CREATE TABLE notes (x);")
    before = path.read_bytes()
    reading = Database.open(path, read_only=True, migrations=later)
    assert reading.rows("SELECT count(*), count(note) FROM prompts") == [(3, 0)]
    reading.close()
    assert path.read_bytes() == before, "reading changes nothing"
    database = Database.open(path, migrations=later)
    assert database.rows("SELECT count(*), count(note) FROM prompts") == [(3, 0)]
    database.close()
    Database.open(path, read_only=True, migrations=later).close()


def test_costs_of_a_first_release_have_no_peak_and_new_ones_may(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path, isolation_level=None) as connection:
        migrate(connection, MIGRATIONS[:1])
        connection.execute("INSERT INTO costs VALUES (1, 1, 'learn', 'train', 2.5, 0, 0)")
    connection.close()
    with Ledger.open(path) as ledger:
        ledger.add_cost(2, "learn", "train", 3.0, peak_bytes=123)
        assert [(cost.seconds, cost.peak_bytes) for cost in ledger.costs()] == [
            (2.5, None),
            (3.0, 123),
        ]


def test_a_migration_that_fails_changes_nothing() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        migrate(connection, (*MIGRATIONS, "CREATE TABLE a (x); DROP TABLE nowhere;"))
    assert schema_version(connection) == len(MIGRATIONS)
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'a'").fetchall()
    connection.close()


def test_a_full_disk_keeps_what_was_committed(path: Path, ledger: Ledger) -> None:
    fill(ledger, 10)
    (pages,) = ledger._database.rows("PRAGMA page_count")[0]
    ledger._database.rows(f"PRAGMA max_page_count={pages + 4}")
    with pytest.raises(ResourceError, match=r"no space left.*is kept: free some space"):
        fill(ledger, 5000)
    assert ledger.prompt_count() == 10
    ledger._database.rows("PRAGMA max_page_count=1000000")
    fill(ledger, 20)
    assert ledger.prompt_count() == 20


def test_a_full_disk_inside_of_a_stage_undoes_the_stage(path: Path, ledger: Ledger) -> None:
    (pages,) = ledger._database.rows("PRAGMA page_count")[0]
    ledger._database.rows(f"PRAGMA max_page_count={pages + 4}")

    def stage() -> None:
        with ledger.commit(1, "compose"):
            fill(ledger, 3)
            fill(ledger, 5000)

    with pytest.raises(ResourceError, match="no space left"):
        stage()
    assert ledger.prompt_count() == 0
    assert not ledger.stage_done(1, "compose")


def test_a_reader_cannot_write(path: Path, ledger: Ledger) -> None:
    with (
        Ledger.open(path, read_only=True) as reader,
        pytest.raises(ResourceError, match="open for reading only"),
    ):
        fill(reader, 1)


def test_a_ledger_is_read_where_nothing_can_be_written(
    path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, 5)
    ledger.close()
    # Permissions do not bind root, so the answer of the system is replaced.
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    with Ledger.open(path, read_only=True) as reader:
        assert reader.prompt_count() == 5
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]
    with pytest.raises(ResourceError, match="is read-only; make it writable"):
        Ledger.open(path)
    with pytest.raises(ResourceError, match="is read-only; choose another one"):
        Ledger.create(path.with_name("other.db"), {}, {})


def test_a_second_writer_is_refused(
    path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selfplay.ledger.database.BUSY_SECONDS", 0.05)
    with (
        Ledger.open(path) as second,
        ledger.transaction(),
        pytest.raises(LedgerError, match="another process is writing"),
    ):
        fill(second, 1)


def test_readers_see_committed_states_while_a_stage_is_written(path: Path, ledger: Ledger) -> None:
    fill(ledger, 10)
    with Ledger.open(path, read_only=True) as one, Ledger.open(path, read_only=True) as two:
        with ledger.transaction():
            fill(ledger, 30)
            assert (one.prompt_count(), two.prompt_count(), ledger.prompt_count()) == (10, 10, 30)
        assert (one.prompt_count(), two.prompt_count()) == (30, 30)


def test_a_write_outside_of_a_transaction_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="inside of a transaction"):
        ledger._database.write("DELETE FROM prompts", [()])
