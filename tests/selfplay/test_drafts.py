"""What is made in several steps is there whole or not at all, whoever was killed making it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from selfplay import drafts
from selfplay.core.errors import LedgerError

KILLED = """
import os, signal, sys
from pathlib import Path
from selfplay import drafts

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

step, place = sys.argv[1], Path(sys.argv[2])
if step == "between the renames":
    rename = Path.rename
    Path.rename = lambda self, to: killed() if to == place else rename(self, to)
with drafts.whole(place, force=True) as draft:
    draft.mkdir()
    (draft / "first").write_text("new")
    if step == "while writing":
        killed()
"""


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def killed(step: str, place: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, step, str(place)], check=False)
    assert ended.returncode == -signal.SIGKILL


def made(place: Path) -> None:
    with drafts.whole(place, force=True) as draft:
        draft.mkdir()
        (draft / "first").write_text("new")


@pytest.mark.parametrize("step", ["while writing", "between the renames"])
def test_the_same_call_makes_what_was_killed_and_nothing_is_left(step: str, tmp_path: Path) -> None:
    place = tmp_path / "made"
    made(place)
    killed(step, place)
    assert ".made.partial" in names(tmp_path)
    made(place)
    assert names(tmp_path) == ["made"]
    assert (place / "first").read_text() == "new"


def test_what_was_to_be_replaced_comes_back_if_the_next_attempt_fails(tmp_path: Path) -> None:
    place = tmp_path / "made"
    place.mkdir()
    (place / "first").write_text("old")
    killed("between the renames", place)
    assert not place.exists()
    with pytest.raises(ZeroDivisionError), drafts.whole(place, force=True):
        raise ZeroDivisionError
    assert (place / "first").read_text() == "old"
    assert names(tmp_path) == ["made"]


def test_two_do_not_make_the_same_at_a_time(tmp_path: Path) -> None:
    with drafts.whole(tmp_path / "made", force=False) as draft:
        with pytest.raises(LedgerError, match="in use by"), drafts.draft_of(tmp_path / "made"):
            pass
        draft.write_text("mine")
    assert (tmp_path / "made").read_text() == "mine"
