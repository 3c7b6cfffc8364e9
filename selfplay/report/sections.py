"""The parts of a report, in their order: a table from a name to what reads it from a run.

Every part is plain JSON data and has a *mark*, a hash of it, by which a page that follows a live
run tells which parts have changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfplay.analysis.lineage import statistics
from selfplay.analysis.successes import SUCCESS
from selfplay.core.embedding import PACKAGED
from selfplay.core.errors import ConfigError
from selfplay.core.json_text import without_nan
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.report.curves import curves
from selfplay.report.explorer import explorer
from selfplay.report.frontier import frontier
from selfplay.report.narrative import narrative
from selfplay.report.prompt_map import Mapper
from selfplay.report.rubric_timeline import alarms, rubric_timeline
from selfplay.report.spending import spending

MEGABYTES = 8.0
"""Of prompts and responses that a page holds."""
MOST_MEGABYTES = 16.0
"""With all other parts, which are bounded, a page then stays below 20 MB."""


@dataclass(frozen=True)
class ReportOptions:
    """What a report shows."""

    megabytes: float = MEGABYTES
    """Of prompts with their responses that the page holds."""
    success: float = SUCCESS
    """The lowest reward of a response that succeeds."""
    embedder: str | None = PACKAGED
    """A sentence-transformers directory or name, or `packaged`, for the map; None for no map."""

    def __post_init__(self) -> None:
        if not 0 < self.megabytes <= MOST_MEGABYTES:
            raise ConfigError(
                f"megabytes: expected more than 0 and up to {MOST_MEGABYTES:g}, found "
                f"{self.megabytes:g}; the commands that the page names reach every prompt"
            )


@dataclass
class Payload:
    """The data of a page."""

    kind: str
    """`report` or `comparison`."""
    title: str
    sections: dict[str, Any] = field(default_factory=dict)

    def marks(self) -> dict[str, str]:
        """By name, a hash of each part."""
        return {
            name: hashlib.blake2b(as_json(section).encode(), digest_size=8).hexdigest()
            for name, section in self.sections.items()
        }

    def as_dict(self, have: Mapping[str, str] | None = None) -> dict[str, Any]:
        """For the page, without the parts whose marks it has."""
        marks, known = self.marks(), have or {}
        changed = {
            name: section
            for name, section in self.sections.items()
            if known.get(name) != marks[name]
        }
        return {"kind": self.kind, "title": self.title, "marks": marks, "sections": changed}


def as_json(value: Any) -> str:
    """JSON, with null for what is not a number."""
    return json.dumps(without_nan(value), ensure_ascii=False, separators=(",", ":"))


Reader = Callable[[Path, ReportOptions], dict[str, Any]]

LIGHT: dict[str, Reader] = {
    "narrative": lambda run, _: narrative(run).as_dict(),
    "curves": lambda run, _: curves(run),
    "frontier": lambda run, options: frontier(run, options.success),
    "operators": lambda run, options: _operators(run, options.success),
    "rubric": lambda run, _: rubric_timeline(run),
    "alarms": lambda run, _: alarms(run),
    "spending": lambda run, _: spending(run),
    "configuration": lambda run, _: _configuration(run),
}
"""Parts that take well under a second for most runs."""


def light(directory: Path, options: ReportOptions) -> dict[str, Any]:
    """All parts but the prompts and their map.

    Raises:
        LedgerError: there is no readable ledger.
    """
    return {name: read(directory, options) for name, read in LIGHT.items()}


def heavy(directory: Path, options: ReportOptions, mapper: Mapper) -> dict[str, Any]:
    """The prompts and their map.

    Raises:
        LedgerError: there is no readable ledger.
    """
    found = explorer(directory, int(options.megabytes * 1e6))
    return {"map": mapper.draw(found), "prompts": found.as_dict()}


def _operators(directory: Path, success: float) -> dict[str, Any]:
    found = statistics(directory, success).as_dict()
    return {key: found[key] for key in ("operators", "turned_down", "tasks", "diversity")}


def _configuration(directory: Path) -> dict[str, Any]:
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        return {"settings": ledger.settings, "environment": ledger.environment}
