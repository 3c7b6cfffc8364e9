"""What the distribution contains and declares."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("selfplay", "creator", "solver", "meta")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in the wheel, built with what is installed and nothing from a network."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files_under(folder: str, pattern: str) -> set[str]:
    paths = (path for path in (ROOT / folder).rglob(pattern) if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in paths if "__pycache__" not in path.parts}


def test_the_wheel_has_every_module_of_the_four_packages(wheel_names: set[str]) -> None:
    modules = set[str]().union(*(files_under(package, "*.py") for package in PACKAGES))
    assert {package for package in PACKAGES if f"{package}/__init__.py" in modules} == set(PACKAGES)
    assert modules <= wheel_names


def test_the_wheel_has_nothing_outside_the_four_packages(wheel_names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_carries_the_shipped_configurations(wheel_names: set[str]) -> None:
    configs = files_under("configs", "*.yaml")
    assert "configs/tiny.yaml" in configs
    assert {f"selfplay/{name}" for name in configs} <= wheel_names


def test_the_wheel_carries_the_tiny_policy(wheel_names: set[str]) -> None:
    policy = files_under("selfplay/tiny/policy", "*")
    assert any(name.endswith(".safetensors") for name in policy)
    assert policy <= wheel_names


def test_the_wheel_carries_the_licence(wheel_names: set[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel_names)


def requirement_name(requirement: str) -> str:
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {requirement_name(name): version for name, version in pairs}


def test_every_declared_requirement_is_pinned() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = [*PROJECT["dependencies"], *extras["embed"], *extras["dev"]]
    names = {requirement_name(requirement) for requirement in declared} - {PROJECT["name"]}
    assert names <= set(pins())


def test_the_pinned_versions_are_the_installed_ones() -> None:
    installed = {name: importlib.metadata.version(name).partition("+")[0] for name in pins()}
    assert installed == pins()
