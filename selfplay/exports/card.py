"""The data card of an exported directory: `README.md` as the Hugging Face hub reads it, and plots.

The YAML header names licences, size, tags and files, so that `load_dataset` of the directory finds
the splits; the rest says how the rows came to be. Paths of the machine stay out of it: models are
called by the last part of their name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import yaml
from numpy.typing import NDArray

from selfplay.exports.layouts import Layout
from selfplay.exports.options import ExportOptions
from selfplay.exports.plan import Plan
from selfplay.exports.plots import bars, lines
from selfplay.ledger import journal
from selfplay.ledger.database import Database
from selfplay.stages.evaluation import GREEDY, SAMPLED

CARD, PLOTS = "README.md", "plots"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


class Counted(Protocol):
    """What was written."""

    @property
    def rows(self) -> Counter[str]:
        """By split."""

    @property
    def models(self) -> Counter[str]:
        """Rows by the model that wrote their prompt."""


def write_card(
    directory: Path,
    database: Database,
    options: ExportOptions,
    plan: Plan,
    layout: Layout,
    files: Mapping[str, str],
    counted: Counted,
) -> None:
    """Writes the card and its plots into the exported directory."""
    heldout = _heldout(database)
    plots = {name: text for name, text in _plots(plan, heldout).items() if text}
    (directory / PLOTS).mkdir()
    for name, text in plots.items():
        (directory / PLOTS / f"{name}.svg").write_text(text, encoding="utf-8")
    header = yaml.safe_dump(_header(options, files, counted), sort_keys=False)
    sections = [
        f"# {options.what.capitalize()} of a self-play run",
        _told(options, plan, counted),
        _section("Splits", _splits(plan, counted)),
        _section("Operators", _table(("operator", "prompts"), _by_kind(plan, 1))),
        _section("Tasks", _table(("task", "prompts"), _by_kind(plan, 0))),
        _section("Models", _models(database, counted)),
        _section("Licences", _licences(options)),
        _section("Metrics", _metrics(plan, heldout)),
        _section("Plots", "\n\n".join(f"![{name}]({PLOTS}/{name}.svg)" for name in plots)),
        _section("Columns", _table(("column", "filled from"), layout.columns.items())),
        _section("How it was made", f"```yaml\n{_how(options)}```"),
    ]
    text = f"---\n{header}---\n\n" + "\n\n".join(sections) + "\n"
    (directory / CARD).write_text(text, encoding="utf-8")


def _header(
    options: ExportOptions, files: Mapping[str, str], counted: Counted
) -> dict[str, object]:
    rows = sum(counted.rows.values())
    size = next((word for bound, word in _SIZES if rows < bound), "n>1M")
    licences = list(options.licences) or ["unknown"]
    data_files = [{"split": split, "path": _glob(path)} for split, path in files.items()]
    return {
        "license": licences[0] if len(licences) == 1 else licences,
        "task_categories": ["text-generation"],
        "tags": ["synthetic", "self-play", "selfplay-engine", f"selfplay-{options.what}"],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": data_files}],
    }


def _glob(path: str) -> str:
    return path if "." in path else f"{path}/*.arrow"


def _told(options: ExportOptions, plan: Plan, counted: Counted) -> str:
    families = len(np.unique(plan.family_N))
    left = ", ".join(f"{count:,} {reason}" for reason, count in plan.left_out.items())
    return (
        f"{sum(counted.rows.values()):,} rows on {len(plan):,} prompts of {families:,} lineage "
        f"families, in the layout `{options.layout}`. {plan.considered:,} prompts fit the filters"
        + (f"; left out: {left}." if left else ".")
        + " Splits cut through no family."
    )


def _splits(plan: Plan, counted: Counted) -> str:
    rows = []
    for split, count in sorted(counted.rows.items()):
        mask_N = plan.validation_N == (split == "validation")
        families = len(np.unique(plan.family_N[mask_N]))
        rows.append((split, f"{count:,}", f"{int(mask_N.sum()):,}", f"{families:,}"))
    return _table(("split", "rows", "prompts", "families"), rows)


def _by_kind(plan: Plan, part: int) -> list[tuple[str, str]]:
    """Prompts by task (0) or operator (1), most first."""
    counts: Counter[str] = Counter()
    sizes = np.bincount(plan.found.kind_N, minlength=len(plan.found.kinds))
    for kind, size in zip(plan.found.kinds, sizes.tolist(), strict=True):
        counts[kind[part]] += size
    return [(name, f"{count:,}") for name, count in counts.most_common() if count]


def _models(database: Database, counted: Counted) -> str:
    """Who wrote the prompts, and which policy answered them."""
    written = {
        _last(name) or "code, or the seeds' authors": n for name, n in counted.models.items()
    }
    query = "SELECT json_extract(value, '$.model.path') FROM run WHERE key = 'settings'"
    policy = _last(str(database.rows(query)[0][0] or ""))
    rows = [(name, f"wrote the prompts of {n:,} rows") for name, n in written.items()]
    return _table(("model", "part"), [*rows, (policy, "the policy that learns began as it")])


def _last(name: str) -> str:
    return Path(name).name if "/" in name or "\\" in name else name


def _licences(options: ExportOptions) -> str:
    if not options.licences:
        return (
            "The licence of the seed prompts was not said (`--licence`). Evolved prompts derive "
            "from the seeds: find out before you pass them on."
        )
    return (
        f"Of the seed prompts, as told by who exported them: {', '.join(options.licences)}. "
        "Evolved prompts derive from the seeds; the terms of the models above apply as well."
    )


Heldout = Mapping[str, Sequence[tuple[float, float]]]
"""(round, accuracy), by how the held-out prompts were asked."""


def _heldout(database: Database) -> Heldout:
    names = {"greedy": GREEDY, "sampled": SAMPLED}
    found = {
        asked: [(float(m.round), m.value) for m in journal.metrics(database, name)]
        for asked, name in names.items()
    }
    return {asked: points for asked, points in found.items() if points}


def _metrics(plan: Plan, heldout: Heldout) -> str:
    found = plan.found
    columns = (
        ("newest estimate", found.value_N),
        ("mean reward", found.reward_N),
        ("difficulty (share of failures)", found.difficulty_N),
    )
    rows = [(name, *_spread(values_N)) for name, values_N in columns]
    table = _table(("of the prompts", "known", "mean", "least", "greatest"), rows)
    told = [
        f"Held-out accuracy of the run, {asked}: {points[0][1]:.3f} in round {points[0][0]:.0f}, "
        f"{points[-1][1]:.3f} in round {points[-1][0]:.0f}."
        for asked, points in heldout.items()
    ]
    return "\n\n".join([table, *told])


def _spread(values_N: NDArray[np.float64]) -> list[str]:
    known = values_N[np.isfinite(values_N)]
    figures = (known.mean(), known.min(), known.max()) if known.size else ()
    return [f"{known.size:,}", *(f"{figure:.3f}" for figure in figures), *[""] * (3 - len(figures))]


def _plots(plan: Plan, heldout: Heldout) -> dict[str, str]:
    difficulty = plan.found.difficulty_N
    known = difficulty[np.isfinite(difficulty)]
    counts, _ = np.histogram(known, bins=5, range=(0, 1))
    bands = ["0–0.2", "0.2–0.4", "0.4–0.6", "0.6–0.8", "0.8–1"]
    rounds, asked = np.histogram(
        plan.found.first_N, bins=min(10, int(np.ptp(plan.found.first_N)) + 1)
    )
    starts = [f"{edge:.0f}" for edge in asked[:-1]]
    operators = [(name, float(count.replace(",", ""))) for name, count in _by_kind(plan, 1)]
    return {
        "difficulty": bars("Prompts by share of failures", bands, counts.tolist())
        if known.size
        else "",
        "rounds": bars("Prompts by first round", starts, rounds.tolist()),
        "operators": bars("Prompts by operator", *map(list, zip(*operators, strict=True))),
        "heldout": lines("Held-out accuracy by round", heldout) if heldout else "",
    }


def _how(options: ExportOptions) -> str:
    found = asdict(options)
    for name in ("pairing", "selection", "unpaired"):
        found[name] = getattr(options, name).name
    found["cleaning"]["against"] = [Path(path).name for path in options.cleaning.against]
    plain: dict[str, object] = yaml.safe_load(yaml.safe_dump(_listed(found)))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def _listed(value: object) -> object:
    """Tuples as lists, which YAML has a word for."""
    if isinstance(value, dict):
        return {key: _listed(member) for key, member in value.items()}
    return [_listed(member) for member in value] if isinstance(value, list | tuple) else value


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars inside of cells are escaped."""
    listed = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in listed
    )
