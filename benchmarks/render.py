"""Renders `docs/results.md` from the records under `benchmarks/results`.

Records come in the order of their names. The page is made of them
alone, so a test can tell when it is stale.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.runner import HERE, RESULTS, Cell, Record, load

PAGE = HERE.parent / "docs" / "results.md"

_HEAD = """# Results

Every figure here was written by `python -m benchmarks NAME` (or by an ablation) as a record under
`benchmarks/results/`, and this page by `python -m benchmarks --render`. Do not edit it.
"""


def render(directory: Path = RESULTS) -> str:
    """The page, as Markdown."""
    sections = [_section(path.stem, load(path)) for path in sorted(directory.glob("*.json"))]
    return "\n".join([_HEAD, *(sections or ["No measurement has been recorded yet.\n"])])


def _section(name: str, record: Record) -> str:
    """One record."""
    parts = [f"## {record.title}", record.question, _table(record.rows), record.notes]
    parts.append(f"<sub>`{name}`, {_circumstances(record)}</sub>")
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: list[dict[str, Cell]]) -> str:
    """The rows as a Markdown table; its columns are all keys, in order of appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        return ""
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(column, "")) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Cell) -> str:
    """A table cell: floats to four significant digits, whole numbers as they are."""
    if isinstance(value, float):
        value = f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _circumstances(record: Record) -> str:
    """When, where, with what."""
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    machine = record.machine
    commit = (record.commit[:12] or "no commit") + (" with changes" if record.dirty else "")
    return (
        f"{record.date[:10]}, {commit}; {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_gib:g} GiB; {versions}"
    )
