"""Reports and comparisons as files."""

from __future__ import annotations

from pathlib import Path

from selfplay.core.places import writing
from selfplay.report.page import page
from selfplay.report.prompt_map import Mapper
from selfplay.report.sections import Payload, ReportOptions, heavy, light

ORDER = (
    "narrative",
    "curves",
    "frontier",
    "map",
    "operators",
    "prompts",
    "rubric",
    "alarms",
    "spending",
    "configuration",
)


def payload(directory: Path, options: ReportOptions, mapper: Mapper | None = None) -> Payload:
    """All that a run's page shows, read from its ledger.

    Raises:
        LedgerError: there is no readable ledger.
    """
    parts = light(directory, options)
    parts |= heavy(directory, options, mapper or Mapper(options.embedder))
    return Payload("report", directory.resolve().name, {name: parts[name] for name in ORDER})


def write_report(
    directory: Path, out: Path | None = None, options: ReportOptions | None = None
) -> Path:
    """Writes a run's report, one HTML file that needs nothing else; live and crashed runs too.

    Args:
        directory: the run's.
        out: the file; None for `report.html` in the run's directory.
        options: what it shows.

    Raises:
        LedgerError: there is no readable ledger.
        ResourceError: the file cannot be written.
    """
    made = payload(directory, options or ReportOptions())
    return write_page(made, out or directory / "report.html")


def write_page(made: Payload, path: Path) -> Path:
    """Writes a page, whole or not at all.

    Raises:
        ResourceError: the file cannot be written.
    """
    text = page(made).encode("utf-8", errors="replace")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(text)
        partial.replace(path)
    return path
