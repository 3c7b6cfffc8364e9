"""Rows to files, a few at a time: JSON Lines, Parquet, or a directory that `datasets` loads.

A `datasets` directory is made from Parquet files, which `datasets` maps and never loads whole.
Everything is written beside its place and renamed when it is whole, so that an export is there or
is not; what stood there before goes only then.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from selfplay.core.errors import ConfigError
from selfplay.export.columns import SOURCES, arrow_type
from selfplay.export.layouts import Layout
from selfplay.paths import LEDGER
from selfplay.policies import writing

_OF_RUNS = (LEDGER, "policy.json")
"""Files that an export never has, and a run or one of its policies always."""
_BATCH = 1024
"""Rows of a Parquet row group that are in memory at once."""


class Rows(Protocol):
    """A file that takes rows."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes one more row."""

    def close(self) -> None:
        """All rows are there."""


class JsonLines:
    """One JSON object a line."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8")

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes one more row."""
        self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        """All rows are there."""
        self._file.close()


class Parquet:
    """A Parquet file with the layout's schema."""

    def __init__(self, path: Path, layout: Layout) -> None:
        from pyarrow import parquet

        self._schema = schema_of(layout)
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._batch: list[Mapping[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes one more row, or keeps it until there are some."""
        self._batch.append(row)
        if len(self._batch) == _BATCH:
            self._write()

    def close(self) -> None:
        """All rows are there."""
        self._write()
        self._writer.close()

    def _write(self) -> None:
        import pyarrow as pa

        if self._batch:
            self._writer.write_table(pa.Table.from_pylist(self._batch, self._schema))
            self._batch = []


def schema_of(layout: Layout) -> Any:
    """The pyarrow schema of a layout's rows."""
    import pyarrow as pa

    nested: dict[str, Any] = {}
    for column, source in layout.columns.items():
        *parents, name = column.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = arrow_type("text" if source.startswith("=") else SOURCES[source].type)

    def fields(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return [
            (name, pa.struct(fields(kind)) if isinstance(kind, dict) else kind)
            for name, kind in found.items()
        ]

    return pa.schema(fields(nested))


WRITERS: Mapping[str, Callable[[Path, Layout], Rows]] = {"jsonl": JsonLines, "parquet": Parquet}
"""By format, which is also the suffix."""


def to_datasets(directory: Path, splits: list[str]) -> None:
    """Turns `<split>.parquet` in a directory into what `datasets.load_from_disk` reads."""
    from datasets import Dataset, DatasetDict, disable_progress_bars, enable_progress_bars
    from datasets.utils import are_progress_bars_disabled

    quiet_before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        with tempfile.TemporaryDirectory(dir=directory) as cache:
            files = {split: directory / f"{split}.parquet" for split in splits}
            loaded = {
                split: Dataset.from_parquet(str(path), cache_dir=cache)
                for split, path in files.items()
            }
            DatasetDict(loaded).save_to_disk(str(directory))
            for path in files.values():
                path.unlink()
    finally:
        if not quiet_before:
            enable_progress_bars()


def check_free(place: Path, force: bool) -> None:
    """Refuses to replace what is there unless that is asked for, and to replace a run at all.

    Raises:
        ConfigError: something is there, or a run is.
    """
    if place.is_dir() and any(next(place.rglob(name), None) for name in _OF_RUNS):
        raise ConfigError(
            f"expected an older export or nothing at {place}, found a directory with a run or its "
            "policies, which --force does not replace either; choose another place"
        )
    if (place.exists() or place.is_symlink()) and not force:
        raise ConfigError(
            f"expected nothing at {place}, found {'a directory' if place.is_dir() else 'a file'}; "
            "choose another place, or replace it with --force"
        )


@contextmanager
def whole(place: Path, force: bool) -> Iterator[Path]:
    """Where to write what is moved to `place` in the end, file or directory.

    Raises:
        ConfigError: something is there, and `force` is false; or a run is there.
        ResourceError: the file system is full, failing or read-only.
    """
    check_free(place, force)
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        try:
            (draft / "new").mkdir()
            yield draft / "new" / place.name
            check_free(place, force)
            _swap(draft / "new" / place.name, place, draft / "old")
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _swap(made: Path, place: Path, aside: Path) -> None:
    """Files change places at once; else what is there is moved aside first, and back on failure."""
    if not place.exists() or (place.is_file() and made.is_file()):
        made.replace(place)
        return
    place.rename(aside)
    try:
        made.rename(place)
    except OSError:
        aside.rename(place)
        raise
