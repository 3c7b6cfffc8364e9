"""`selfplay config`, and how errors leave the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from selfplay.cli import main as command_line
from selfplay.cli.main import app
from selfplay.core.errors import ConfigError, LedgerError

RUNNER = CliRunner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text("rounds: 3\n")
    return path


def test_values_and_their_origins_are_printed(file: Path) -> None:
    result = RUNNER.invoke(app, ["config", str(file), "seed=5"])
    assert result.exit_code == 0
    values = yaml.safe_load(result.stdout)
    assert (values["rounds"], values["seed"]) == (3, 5)
    origins = {
        line.split(":")[0]: line.split("#")[-1].strip() for line in result.stdout.splitlines()
    }
    assert (origins["rounds"], origins["seed"], origins["chunk"]) == (
        "my.yaml",
        "override",
        "default",
    )


def test_json_holds_the_same_values(file: Path) -> None:
    text = RUNNER.invoke(app, ["config", str(file)]).stdout
    assert json.loads(RUNNER.invoke(app, ["config", str(file), "--json"]).stdout) == yaml.safe_load(
        text
    )


def test_the_source_may_be_left_out() -> None:
    result = RUNNER.invoke(app, ["config", "rounds=4", "seed=2", "--json"])
    values = json.loads(result.stdout)
    assert (values["rounds"], values["seed"]) == (4, 2)


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["selfplay", *arguments])
    with pytest.raises(SystemExit) as stop:
        command_line.main()
    code = stop.value.code
    assert isinstance(code, int)
    return code


def test_an_error_is_one_message_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "config", "ruonds=3") == ConfigError.exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ruonds: unknown key")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "code"),
    [(LedgerError("locked"), LedgerError.exit_code), (KeyboardInterrupt(), 130)],
)
def test_every_error_of_the_program_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(command_line, "app", fail)
    assert run_main(monkeypatch) == code


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(ZeroDivisionError):
        command_line.main()


def test_ctrl_c_inside_a_command_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("selfplay.config.load_config", interrupted)
    assert run_main(monkeypatch, "config") == 130
