"""The README says what is there: its tree, its commands, its links."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("selfplay", "creator", "solver", "meta")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def readme_tree() -> set[str]:
    """Paths of the annotated tree; a folder ends with a slash, two blanks are one level."""
    (block,) = code_blocks("tree")
    found: set[str] = set()
    folders: list[str] = []
    for line in filter(None, block.splitlines()):
        entry = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        folders = folders[:depth]
        found.add("".join([*folders, entry]))
        if entry.endswith("/"):
            folders.append(entry)
    return found


def project_files() -> list[str]:
    """Every file of the checkout that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("the tree is compared in a git checkout only")
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


def shown(name: str) -> set[str]:
    """What the tree shows of a file: in the packages its folder or module, elsewhere the top."""
    parts = Path(name).parts
    if name.startswith("."):
        return set()
    if len(parts) == 1:
        return {name}
    top = f"{parts[0]}/"
    if parts[0] not in PACKAGES or parts[1] == "__init__.py":
        return {top}
    return {top, top + (parts[1] if len(parts) == 2 else f"{parts[1]}/")}


def test_the_annotated_tree_equals_the_real_tree() -> None:
    real = set[str]().union(*(shown(name) for name in project_files()))
    written = readme_tree()
    missing, gone = sorted(real - written), sorted(written - real)
    assert not missing, f"there and not in the README: {missing}"
    assert not gone, f"in the README and not there: {gone}"


def test_every_line_of_the_tree_says_what_the_thing_is() -> None:
    (block,) = code_blocks("tree")
    bare = [line for line in block.splitlines() if line and len(line.split()) < 3]
    assert bare == []


def commands(program: str) -> list[list[str]]:
    """Words of every shell line that starts with `program`."""
    lines = [line for block in code_blocks("sh") for line in block.splitlines()]
    words = [line.partition("#")[0].split() for line in lines]
    return [line for line in words if line and line[0] == program]


def test_every_make_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    named = {line[1] for line in commands("make")} | set(re.findall(r"`make (\w+)`", README))
    assert {"run", "test"} <= named
    assert named <= targets


def test_every_selfplay_command_named_exists() -> None:
    typer_main = pytest.importorskip("typer.main")
    from selfplay.cli.main import app

    known = set(typer_main.get_command(app).commands)
    named = {line[1] for line in commands("selfplay")} | set(re.findall(r"`selfplay (\w+)", README))
    assert "run" in named
    assert named <= known


def test_every_local_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if "://" not in link]
    assert local
    assert [link for link in local if not (ROOT / link).exists()] == []
