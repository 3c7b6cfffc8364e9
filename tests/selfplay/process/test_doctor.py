"""What `selfplay doctor` finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from selfplay.cli.main import app
from selfplay.process.doctor import (
    Finding,
    _disk,
    _look_up,
    _package,
    _tiny_policy,
    examine,
    needed_packages,
)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    found = examine(tmp_path_factory.mktemp("here"))
    return {finding.subject: finding for finding in found.findings}


def test_the_packages_of_the_project_are_found_with_their_versions(
    findings: dict[str, Finding],
) -> None:
    import torch

    assert findings["torch"] == Finding("torch", "ok", torch.__version__)
    assert findings["omegaconf"].state == "ok"


def test_every_extra_for_users_is_reported_with_what_it_gives(
    findings: dict[str, Finding],
) -> None:
    extras = {package.extra for package in needed_packages()} - {"", "dev"}
    assert extras
    for extra in extras:
        assert findings[f"extra {extra}"].state in {"ok", "note"}


def test_a_missing_package_is_fatal_and_comes_with_the_command_that_installs_it() -> None:
    finding = _package(_look_up(Requirement("no-such-package-here>=1"), ""))
    assert finding.state == "missing"
    assert finding.remedy == "pip install 'no-such-package-here>=1'"


def test_another_version_than_the_tested_one_is_only_noted() -> None:
    finding = _package(_look_up(Requirement("numpy<1"), ""))
    assert finding.state == "note"
    assert "<1" in finding.detail


def test_devices_disk_and_memory_are_named(findings: dict[str, Finding]) -> None:
    assert "GiB" in findings["memory"].detail
    assert "GiB free" in findings["disk"].detail
    assert findings["devices"].state == "ok"
    assert findings["processor"].detail.endswith("cores")


def test_too_little_room_is_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfplay.process.doctor.NEEDED_DISK_GIB", 1e9)
    finding = _disk(tmp_path)
    assert finding.state == "missing"
    assert finding.remedy.startswith("make room")


def test_a_policy_without_tokenizer_is_no_policy(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"0" * 2**20)
    (tmp_path / "config.json").write_text("{}")
    assert _tiny_policy(tmp_path).state == "missing"
    assert _tiny_policy(tmp_path).detail.endswith("lacks tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    assert _tiny_policy(tmp_path).state == "ok"


def test_the_exit_code_says_whether_a_tiny_run_could_work(findings: dict[str, Finding]) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    fatal = [item["subject"] for item in report["findings"] if item["state"] == "missing"]
    assert report["healthy"] is not bool(fatal)
    assert result.exit_code == (1 if fatal else 0)
    assert {item["subject"] for item in report["findings"]} == findings.keys()


def test_the_text_names_every_finding_and_every_remedy() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    for finding in examine(Path.cwd()).findings:
        assert finding.subject in result.stdout
        assert finding.remedy in result.stdout
