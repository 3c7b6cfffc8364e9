"""An export from beginning to end: choose, write a few rows at a time, describe, rename.

All reading is of one state of the ledger, so a live run exports as it was when the export began.
Prompts are held as 44 bytes each and read again as they are written; of responses one round is in
memory at a time. What is at the place stays until the new export is whole.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfplay.core.errors import ConfigError, DataError
from selfplay.drafts import check_free, whole
from selfplay.exports.card import write_card
from selfplay.exports.items import Item
from selfplay.exports.layouts import Layout, layout_of, row
from selfplay.exports.options import ExportOptions
from selfplay.exports.parts import PARTS
from selfplay.exports.plan import TRAIN, VALIDATION, Plan, Progress, planning
from selfplay.exports.responses import response_items, rounds_with_groups
from selfplay.exports.writing import WRITERS, Rows, to_datasets
from selfplay.ledger import pool
from selfplay.ledger.database import Database
from selfplay.ledger.reading import decoder, reading

_CHUNK = 1024
"""Prompts that are read at once."""
_NO_ROWS = (
    "expected {what} of {prompts} prompts, found none in the rounds that are exported; widen "
    "--round, or export rewards to see what there is"
)
SAVED, REWARD_MODEL = "policy.json", "reward_model"
"""The file that makes a directory a saved policy, and what is written of one."""
_FOREIGN = (".json", ".csv", ".ndjson", ".txt", ".arrow")


@dataclass(frozen=True)
class Exported:
    """What was written."""

    place: Path
    what: str
    rows: Mapping[str, int]
    """By split."""
    prompts: int = 0
    families: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Prompts that fit the filters and were left out, by reason."""
    use: str = ""
    """What to do with it."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**vars(self), "place": str(self.place), "left_out": dict(self.left_out)}


@dataclass(frozen=True)
class Target:
    """Where rows go, and in what form."""

    place: Path
    format: str
    """`jsonl`, `parquet` or `datasets`."""
    single: bool
    """One file; otherwise a directory with a file for each split and a data card."""

    @property
    def file_format(self) -> str:
        """Of the files that are written first."""
        return "parquet" if self.format == "datasets" else self.format

    def file(self, split: str) -> str:
        """A split's file, relative to the directory."""
        return split if self.format == "datasets" else f"{split}.{self.format}"


@dataclass
class Tally:
    """What was written, counted as it is written."""

    rows: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    """Rows by the model that wrote their prompt."""


def export(directory: Path, place: Path, options: ExportOptions | None = None) -> Exported:
    """Writes what a run has made to `place`, whole or not at all.

    Args:
        directory: the run's, which may be live; or a saved policy with a reward head, whose reward
            model is written in transformers' layout.
        place: a file that ends with .jsonl or .parquet, or a directory, which gets a data card.
        options: what, in which layout, and which of it; prompts without filters by default.

    Returns:
        What was written, how much of it, and what to do with it.

    Raises:
        ConfigError: an impossible option, or something is at `place`.
        DataError: nothing is left to export, or a benchmark's file cannot be read.
        LedgerError: there is no readable ledger in the directory.
        ModelError: the run's tokenizer or an embedding model cannot be loaded.
        ResourceError: `place` cannot be written.
    """
    steps = exporting(directory, place, options or ExportOptions())
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            exported: Exported = stop.value
            return exported


def exporting(
    directory: Path, place: Path, options: ExportOptions
) -> Generator[Progress, None, Exported]:
    """As `export`, and says how far it has come."""
    if (directory / SAVED).is_file():
        return _reward_model(directory, place, options.force)
    options.check()
    if options.what in PARTS:
        _refuse_choices_of_rows(options)
        with whole(place, options.force) as draft:
            count, use = PARTS[options.what](directory, draft, options)
        return Exported(place, options.what, {options.what: count}, use=use.format(place=place))
    layout = layout_of(options.layout, options.what)
    target = target_of(place, options)
    check_free(place, options.force)
    with reading(directory) as database:
        database.rows("BEGIN")  # one state of a live run
        plan = yield from planning(database, options)
        with whole(place, options.force) as draft:
            tally = Tally()
            yield from _written(database, directory, draft, options, plan, target, tally)
            _finish(draft, layout, target, tally)
            if not target.single:
                files = {split: target.file(split) for split in tally.rows}
                write_card(draft, database, options, plan, layout, files, tally)
    families = len(set(plan.family_N.tolist()))
    use = _use(layout, target)
    return Exported(place, options.what, dict(tally.rows), len(plan), families, plan.left_out, use)


def _refuse_choices_of_rows(options: ExportOptions) -> None:
    """Raises ConfigError for options that choose or lay out rows, where there are none."""
    usual = ExportOptions()
    names = ("format", "layout", "filters", "cleaning", "top", "validation", "licences")
    given = [name for name in names if getattr(options, name) != getattr(usual, name)]
    if given:
        raise ConfigError(
            f"{', '.join(given)}: expected nothing of the kind beside '{options.what}', which is "
            "exported as a whole; leave it out"
        )


def _reward_model(policy: Path, place: Path, force: bool) -> Exported:
    from solver.export import export_saved

    with whole(place, force) as draft:
        export_saved(policy, draft)
    use = f"meta.judge=reward_model meta.judge.path={place} makes it the judge of a run"
    return Exported(place, REWARD_MODEL, {}, use=use)


def target_of(place: Path, options: ExportOptions) -> Target:
    """Where and in what form, from the place's name and the options.

    Raises:
        ConfigError: the two contradict each other, or one file cannot hold what is asked for.
    """
    suffix = place.suffix.lower()
    if suffix in _FOREIGN:
        raise ConfigError(
            f"expected a place that ends with .jsonl or .parquet, or a directory, found {place}"
        )
    single = suffix.removeprefix(".") in WRITERS
    named = suffix.removeprefix(".") if single else "jsonl"
    form = named if options.format == "auto" else options.format
    if single and form != named:
        raise ConfigError(f"expected {form} in a place that ends so, found {place}")
    needs = options.layout == "llama_factory" or options.validation > 0
    if single and needs:
        raise ConfigError(
            f"expected a directory, for a validation split or for the dataset_info.json that "
            f"LLaMA-Factory reads, found {place}; take off the suffix and say --as {form}"
        )
    if form == "datasets" and options.layout == "llama_factory":
        raise ConfigError("LLaMA-Factory reads files; expected --as jsonl or --as parquet")
    return Target(place, form, single)


def _written(
    database: Database,
    directory: Path,
    draft: Path,
    options: ExportOptions,
    plan: Plan,
    target: Target,
    tally: Tally,
) -> Iterator[Progress]:
    """Writes all rows to `draft`; yields after every chunk."""
    layout = layout_of(options.layout, options.what)
    splits = [TRAIN, VALIDATION] if plan.validation_N.any() else [TRAIN]
    if not target.single:
        draft.mkdir()
    open_ = WRITERS[target.file_format]
    files: dict[str, Rows] = {split: open_(_path(draft, split, target), layout) for split in splits}
    try:
        for progress, found in _items(database, directory, options, plan):
            for item in found:
                files[item.facts.split].add(row(layout, item))
                tally.rows[item.facts.split] += 1
                tally.models[item.prompt.lineage.model] += 1
            yield progress
    finally:
        for file in files.values():
            file.close()
    if not tally.rows:
        raise DataError(_NO_ROWS.format(what=options.what, prompts=len(plan)))
    for split in splits:
        if not tally.rows[split]:
            # Tools stumble over a file without rows.
            _path(draft, split, target).unlink()
            del tally.rows[split]


def _finish(draft: Path, layout: Layout, target: Target, tally: Tally) -> None:
    """What a directory has besides its files of rows."""
    if target.format == "datasets":
        to_datasets(draft, list(tally.rows))
    if layout.info:
        info = {
            f"selfplay_{split}": {"file_name": target.file(split), **layout.info}
            for split in tally.rows
        }
        (draft / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n")


def _path(draft: Path, split: str, target: Target) -> Path:
    return draft if target.single else draft / f"{split}.{target.file_format}"


def _items(
    database: Database, directory: Path, options: ExportOptions, plan: Plan
) -> Iterator[tuple[Progress, Iterator[Item]]]:
    if options.what == "prompts":
        for start in range(0, len(plan), _CHUNK):
            prompts = pool.prompts(database, plan.found.hex_ids(start, start + _CHUNK))
            done = Progress("prompts written", start + len(prompts), len(plan))
            yield done, (Item(p, plan.facts(i)) for i, p in enumerate(prompts, start))
        return
    decode = decoder(directory)
    rounds = rounds_with_groups(database, options.filters.rounds)
    for done_rounds, t in enumerate(rounds, 1):
        found = response_items(database, options, decode, plan.facts_of, t)
        yield Progress("rounds written", done_rounds, len(rounds)), found


def _use(layout: Layout, target: Target) -> str:
    names = {
        split: str(target.place if target.single else target.place / target.file(split))
        for split in (TRAIN, VALIDATION)
    }
    return layout.use.format(directory=target.place, **names)
