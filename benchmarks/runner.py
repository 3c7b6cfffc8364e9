"""Runs one benchmark and records what it measured, on what machine and with which versions.

A benchmark is a module of this package with a function `measure() -> Measurement`. A record is a
JSON file `benchmarks/results/NAME.json`; `benchmarks.render` makes `docs/results.md` from them.
Anything else with figures to keep (an ablation) writes the same record with `record`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"

Cell: TypeAlias = str | float

_LIBRARIES = ("torch", "transformers", "trl", "numpy")
_WRITTEN = (":!benchmarks/results", ":!docs/results.md")
"""Git pathspecs of what benchmarks write themselves: it does not count as a change."""


@dataclass(frozen=True)
class Measurement:
    """What a benchmark found."""

    title: str
    question: str
    """What the figures answer, in a sentence."""
    rows: list[dict[str, Cell]]
    """One table: the keys are its columns (with units), in order."""
    notes: str = ""
    """How it was measured, and what limits it."""


@dataclass(frozen=True)
class Machine:
    """What a measurement ran on. It has no host name: figures are compared by hardware."""

    cpu: str
    cores: int
    """Logical cores this process may use."""
    memory_gib: float


@dataclass(frozen=True)
class Record:
    """A measurement with its circumstances: the layout of `benchmarks/results/NAME.json`."""

    title: str
    question: str
    rows: list[dict[str, Cell]]
    notes: str
    versions: dict[str, str]
    machine: Machine
    commit: str
    """Full hash; empty outside a git checkout."""
    dirty: bool
    """The tree differed from the commit."""
    date: str
    """UTC, ISO 8601."""


def names() -> dict[str, str]:
    """Every benchmark's name with the first line of its docstring; nothing is imported."""
    found: dict[str, str] = {}
    for path in sorted(HERE.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "measure" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def run(name: str) -> Measurement:
    """Imports benchmark `name` and runs it.

    Raises:
        TypeError: its `measure` returned something else than a Measurement.
    """
    found = importlib.import_module(f"benchmarks.{name}").measure()
    if not isinstance(found, Measurement):
        raise TypeError(
            f"benchmarks.{name}.measure: expected a Measurement, found {type(found).__name__}"
        )
    return found


def record(name: str, measurement: Measurement, directory: Path = RESULTS) -> Path:
    """Writes `directory/name.json` and returns its path."""
    commit, dirty = _commit()
    entry = Record(
        **asdict(measurement),
        versions=_versions(),
        machine=machine(),
        commit=commit,
        dirty=dirty,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    text = json.dumps(asdict(entry), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def load(path: Path) -> Record:
    """Reads a record back.

    Raises:
        ValueError: the file's keys are not those of a record.
    """
    fields = json.loads(path.read_text(encoding="utf-8"))
    try:
        return Record(**fields | {"machine": Machine(**fields["machine"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a benchmark record, found {error}") from error


def machine() -> Machine:
    """This machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(cpu=_cpu(), cores=_cores(), memory_gib=round(memory / 2**30, 1))


def _cpu() -> str:
    """The processor's model, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _cores() -> int:
    """Logical cores this process may use, where the system tells; else all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions() -> dict[str, str]:
    """Versions of Python and of the libraries that figures depend on."""
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **libraries}


def _commit() -> tuple[str, bool]:
    """The checkout's commit and whether the tree differs from it; ("", False) without git."""
    try:
        head, status = (
            _git("rev-parse", "HEAD"),
            _git("status", "--porcelain", "--", ".", *_WRITTEN),
        )
    except (OSError, subprocess.CalledProcessError):
        return "", False
    return head, bool(status)


def _git(*arguments: str) -> str:
    """Standard output of a git command run at the project's root."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
    return done.stdout.strip()
