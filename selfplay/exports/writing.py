"""Rows to files, a few at a time: JSON Lines, Parquet, or a directory that `datasets` loads.

A `datasets` directory is made from Parquet files, which `datasets` maps and never loads whole.
What is written here is a draft (`selfplay.drafts`), so that an export is there or is not.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from selfplay.exports.columns import SOURCES, arrow_type
from selfplay.exports.layouts import Layout

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
                split: _with_fingerprint(Dataset.from_parquet(str(path), cache_dir=cache), path)
                for split, path in files.items()
            }
            DatasetDict(loaded).save_to_disk(str(directory))
            for path in files.values():
                path.unlink()
    finally:
        if not quiet_before:
            enable_progress_bars()


def _with_fingerprint(dataset: Any, file: Path) -> Any:
    """The same rows under a fingerprint of their file; the library's own is another each time."""
    with file.open("rb") as content:
        fingerprint = hashlib.file_digest(content, "sha256").hexdigest()[:16]
    return type(dataset)(dataset.data, dataset.info, dataset.split, fingerprint=fingerprint)
