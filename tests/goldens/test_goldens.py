"""What was recorded is still so.

Judges' fingerprints, configurations, digests of whole runs, what commands say of recorded runs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfplay.cli.main import app
from tests.goldens.made import HERE, RUNS, configurations, environment, fingerprints
from tests.goldens.recorded import MADE, SAID, differences, said_of, unpacked

RECORDED = json.loads((HERE / "digests.json").read_text(encoding="utf-8"))
AGAIN = "is not what was recorded; if that is meant, `python -m tests.goldens`, and say why"


def test_judges_have_the_fingerprints_that_stored_rewards_name() -> None:
    recorded = json.loads((HERE / "fingerprints.json").read_text(encoding="utf-8"))
    assert fingerprints() == recorded, f"a fingerprint {AGAIN}"


def test_shipped_configurations_are_what_they_were() -> None:
    files = (HERE / "configurations").iterdir()
    recorded = {path.stem: path.read_text(encoding="utf-8") for path in files}
    found = configurations()
    assert found.keys() == recorded.keys()
    for name, text in found.items():
        assert text == recorded[name], f"configuration '{name}' {AGAIN}"


def test_every_run_was_recorded() -> None:
    assert RUNS.keys() == RECORDED["digests"].keys()


same_floats = pytest.mark.skipif(
    environment() != RECORDED["environment"],
    reason=f"digests were recorded with {RECORDED['environment']}, and floats differ elsewhere",
)


@same_floats
@pytest.mark.parametrize("name", RUNS)
def test_a_whole_run_comes_to_the_digest_that_was_recorded(name: str, tmp_path: Path) -> None:
    assert RUNS[name](tmp_path) == RECORDED["digests"][name], f"run '{name}' {AGAIN}"


@pytest.mark.parametrize("name", MADE)
def test_commands_say_of_a_recorded_run_what_they_said(name: str, tmp_path: Path) -> None:
    recorded = json.loads((SAID / f"{name}.json").read_text(encoding="utf-8"))
    differing = list(differences(said_of(name, tmp_path), recorded))
    assert not differing, "\n".join([f"what is said {AGAIN}", *differing])


@same_floats
def test_a_recorded_run_goes_on_to_the_digest_of_one_that_was_never_left(tmp_path: Path) -> None:
    directory = str(unpacked("half_way", tmp_path))
    for command in (["run", directory], ["digest", directory]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, (result.output, result.exception)
    assert result.output.strip() == RECORDED["digests"]["adapters"]
