"""JSON Lines that grow by whole chunks, so that a procedure which stopped goes on where it was.

A directory holds

    <rows>.jsonl      what was made
    missing.jsonl     what could not be, each with its reason
    job.json          what the job is, how many items are done, and how long the files are then

`job.json` is replaced after every chunk. What a crash left behind it is cut off, so the same
command again ends with the files of a job that was never interrupted; another job is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, TypeAlias, TypeVar

from selfplay.config import differences
from selfplay.core.errors import LedgerError
from selfplay.core.guard import guarded
from selfplay.core.places import writing
from selfplay.core.state_files import read_state, write_state
from selfplay.ledger import RunLock

JOB, MISSING = "job.json", "missing.jsonl"
GROWING = {"config.chunk"}
"""Keys that may change when a job goes on."""

Item = TypeVar("Item")
Rows: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Done:
    """So much is on disk: at the start, and after every chunk."""

    done: int
    total: int


@dataclass(frozen=True)
class Made:
    """What a job has made."""

    rows: Path
    """The file."""
    count: int
    """Rows in it."""
    missing: Mapping[str, int]
    """How often each reason for a missing row came."""
    items: int
    """What was worked on: prompts."""
    use: str = ""
    """The command that learns from the rows."""
    warning: str = ""
    """What speaks against learning from them."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "rows": str(self.rows),
            "count": self.count,
            "missing": dict(self.missing),
            "prompts": self.items,
        }


def written(
    directory: Path,
    name: str,
    job: Mapping[str, Any],
    items: Sequence[Item],
    chunk: int,
    work: Callable[[Sequence[Item]], tuple[Rows, Rows]],
) -> Generator[Done, None, None]:
    """Works on the items that are not done, and writes chunk by chunk.

    Args:
        directory: where the files are.
        name: of the file of rows.
        job: names everything that the rows depend on.
        items: all of them, in an order that is always the same.
        chunk: items at once.
        work: from items to rows, and to those that are missing, each with a `reason`.

    Raises:
        LedgerError: the directory holds another job, or another process is at work there.
        ResourceError: a file cannot be written.
    """
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    with RunLock(directory):
        done = _settle(directory, name, job)
        yield Done(done, len(items))
        for start in range(done, len(items), chunk):
            rows, missing = work(items[start : start + chunk])
            done = min(start + chunk, len(items))
            with writing(directory):
                _append(directory / name, rows)
                _append(directory / MISSING, missing)
                _note(directory, name, job, done)
            yield Done(done, len(items))


def made(directory: Path, name: str, further: str, warning: str = "") -> Made:
    """What a job has made so far.

    Args:
        directory: of the job.
        name: of the file of rows.
        further: what `selfplay train` needs besides the file to learn from it.
        warning: what speaks against that.
    """
    reasons = Counter(row["reason"] for row in json_rows(directory / MISSING))
    state = read_state(directory / JOB, "done")
    count = sum(1 for _ in json_rows(directory / name))
    rows = directory / name
    use = f"selfplay train {quote(str(rows))} {further}"
    return Made(rows, count, dict(reasons.most_common()), state["done"], use, warning)


def file_hash(path: Path) -> str:
    """SHA-256 of a file; empty for a directory."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _settle(directory: Path, name: str, job: Mapping[str, Any]) -> int:
    """How many items are done; the files are then as they were at that time."""
    path = directory / JOB
    if not path.exists():
        strays = [file.name for file in (directory / name, directory / MISSING) if file.exists()]
        if strays:
            raise LedgerError(
                f"{directory}: expected a job's directory or an empty one, found "
                f"{', '.join(strays)} without {JOB}; choose another --out"
            )
        with writing(directory):
            for file in (directory / name, directory / MISSING):
                file.touch()
            _note(directory, name, job, 0)
        return 0
    state = read_state(path, "job", "bytes", "done")
    changed = differences(state["job"], json.loads(json.dumps(dict(job))), GROWING)
    if changed:
        raise LedgerError(
            f"{directory} holds another job; these differ: {', '.join(changed)}. Choose another "
            "--out, or leave them as they are to go on"
        )
    for file, size in state["bytes"].items():
        with writing(directory / file), (directory / file).open("r+b") as opened:
            opened.truncate(size)
    return int(state["done"])


def _append(path: Path, rows: Rows) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _note(directory: Path, name: str, job: Mapping[str, Any], done: int) -> None:
    sizes = {file: (directory / file).stat().st_size for file in (name, MISSING)}
    state = {"job": dict(job), "done": done, "bytes": sizes}
    write_state(directory / JOB, state)


def json_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file that a job wrote."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            with guarded(LedgerError, f"{path}: expected rows that the job wrote, found"):
                row = json.loads(line)
            yield row
