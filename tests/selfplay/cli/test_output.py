"""Claims about what commands print of texts that others wrote, and about leaving early."""

from __future__ import annotations

import ast
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import selfplay.cli
from selfplay import job
from selfplay.cli.layout import new_console, new_grid, new_table
from selfplay.cli.main import app
from selfplay.cli.output import say, say_json
from selfplay.core.notices import note, waiting
from selfplay.process.signals import SIGNALS

ODD = "a\x1b[31mred\x9b2J\x07\r\u202eb\u2066"


def obeyed(text: str) -> set[str]:
    """Signs of a text that a terminal would obey."""
    allowed = "\n\t"
    return {s for s in text if s in "\u202e\u2066" or (not s.isprintable() and s not in allowed)}


@pytest.mark.parametrize("err", [False, True])
def test_a_message_shows_what_a_terminal_would_obey(
    err: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    say(ODD, err=err)
    printed = capsys.readouterr()
    assert obeyed(printed.err if err else printed.out) == set()
    assert "␛[31mred" in printed.err + printed.out


def test_json_with_such_signs_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    say_json(json.dumps({"text": ODD}, ensure_ascii=False))
    printed = capsys.readouterr().out
    assert obeyed(printed) == set()
    assert json.loads(printed) == {"text": ODD}


def test_no_cell_title_or_line_of_a_console_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    console = new_console()
    monkeypatch.setattr(console, "file", io.StringIO())
    table, grid = new_table(ODD, [ODD], ["x"]), new_grid(2)
    table.add_row(ODD, ODD)
    grid.add_row(ODD, ODD)
    for shown in (table, grid, ODD):
        console.print(shown)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert obeyed(printed) == set()
    assert printed.count("␛") == 7
    plain = Console(file=io.StringIO(), highlight=False)
    plain.print(ODD)
    assert "\x1b" in plain.file.getvalue(), "rich alone lets them through"  # type: ignore[attr-defined]


def test_an_error_that_names_such_a_text_shows_it() -> None:
    command = [sys.executable, "-m", "selfplay", "config", "no\x1b[2Jsuch"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no␛[2Jsuch" in done.stderr
    assert obeyed(done.stderr) == set()


def test_commands_print_in_one_place_alone() -> None:
    folder = Path(selfplay.cli.__file__).parent
    printing = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "typer.echo"):
                printing.add(path.name)
    assert printing == {"output.py"}


@contextmanager
def interrupted_while_it_opens(number: int) -> Iterator[Any]:
    os.kill(os.getpid(), number)
    yield None  # pragma: no cover


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interruption_before_there_is_a_ledger_says_that_nothing_was_started(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "open_game", lambda *_: interrupted_while_it_opens(number))
    done = CliRunner().invoke(app, ["run", "tiny", "--out", str(tmp_path / "run")])
    assert done.exit_code == 130
    assert done.stderr.endswith("interrupted: nothing was started\n")
    assert "expected a ledger" not in done.output
    with pytest.raises(KeyboardInterrupt):
        job.run("tiny", out=tmp_path / "run")


def test_a_run_tells_what_it_waits_for_and_what_is_noted_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def opened(*_: object) -> Iterator[Any]:
        note("something odd")
        with waiting("the model"):
            raise KeyboardInterrupt
        yield None

    monkeypatch.setattr(job, "open_game", opened)
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        job.run("tiny", out=tmp_path / "run", tell=told.append)
    assert told == ["something odd"]
