"""Every command survives the standard output that it is given, or says what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = [sys.executable, "-m", "selfplay", "config", "tiny"]
FULL = Path("/dev/full")


def shell(tail: str) -> subprocess.CompletedProcess[str]:
    """The command with a tail that only a shell knows."""
    line = f'"$@" {tail}'
    return subprocess.run(["sh", "-c", line, "sh", *CONFIG], capture_output=True, text=True)


@pytest.mark.parametrize("tail", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_written_to_without_a_word(tail: str) -> None:
    done = shell(tail)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_told_of() -> None:
    done = shell(">/dev/full")
    assert done.returncode == 6
    assert done.stderr.startswith("error: cannot write to standard output (No space left on device")
    assert shell(">/dev/full 2>/dev/full").returncode == 6


def test_characters_that_the_terminal_lacks_are_written_as_escapes() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    program = (
        "from selfplay.cli.streams import guarded_streams\n"
        "from selfplay.cli.as_json import print_json\n"
        "import typer\n"
        "with guarded_streams():\n"
        "    typer.echo('…')\n"
        "    print_json({'text': 'Ω 😀 é'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True
    )
    line, _, rest = done.stdout.decode("latin-1").partition("\n")
    assert line == "\\u2026"
    assert json.loads(rest) == {"text": "Ω 😀 é"}


def test_a_pipe_that_nobody_reads_ends_the_command_quietly() -> None:
    done = shell("| true")
    assert "Traceback" not in done.stderr
