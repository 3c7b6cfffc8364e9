"""Rows of a table file, each with its place, so that an error can name the line.

JSON Lines, CSV, Parquet, and directories that `datasets` saved with `save_to_disk`; which one
follows from the suffix or, for a directory, from its contents. Left out: compressed files, hubs,
JSON arrays, pipes (a prompt file is read twice). pyarrow and datasets are imported on first use.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from selfplay.core.errors import DataError, nearest
from selfplay.core.guard import guarded, shortened
from selfplay.core.json_lines import MAX_LINE, check_readable, each_object


@dataclass(frozen=True)
class TableRow:
    """One row and where it stands."""

    place: str
    """File and line (or row, for formats without lines), counted from 1."""
    values: Mapping[str, Any]

    def without(self, names: Set[str]) -> TableRow:
        """The row without some columns."""
        return TableRow(self.place, {k: v for k, v in self.values.items() if k not in names})


def read_rows(path: Path, limit: int = 0) -> list[TableRow]:
    """The rows of a file in order, the first `limit` of them (0: all).

    Raises:
        DataError: no such file, an unknown format, no rows, or a row that cannot be read.
    """
    return list(each_row(path, limit))


def each_row(path: Path, limit: int = 0) -> Iterator[TableRow]:
    """As `read_rows`, one after the other; a large file is never in memory as a whole.

    Raises:
        DataError: as `read_rows`.
    """
    if limit < 0:
        raise DataError(f"{path}: expected a limit of 0 (all rows) or more, found {limit}")
    found = False
    # The one boundary to pyarrow, datasets, csv and the file system, on files that are damaged.
    with guarded(DataError, f"{shortened(str(path))}: cannot be read"):
        for row in islice(_reader(path)(path), limit or None):
            found = True
            yield row
    if not found:
        raise DataError(f"{path}: expected at least one row, found none")


def _reader(path: Path) -> Callable[[Path], Iterator[TableRow]]:
    """The reader for what `path` is."""
    if path.is_dir():
        return _read_saved
    if not path.exists():
        raise DataError(f"{path}: there is no such file; {_sibling(path)}")
    if path.suffix.lower() not in _READERS:
        raise DataError(
            f"{path}: expected one of {', '.join(_READERS)} or a directory saved by datasets, "
            f"found '{path.suffix}'; convert it"
        )
    check_readable(path)
    return _READERS[path.suffix.lower()]


def _sibling(path: Path) -> str:
    """A hint at the nearest name beside a missing file."""
    if not path.parent.is_dir():
        return f"there is no directory {path.parent} either"
    files = (f.name for f in path.parent.iterdir() if f.suffix.lower() in _READERS)
    return nearest(path.name, files)


def _read_jsonl(path: Path) -> Iterator[TableRow]:
    return (TableRow(line.place, line.values) for line in each_object(path))


def _read_csv(path: Path) -> Iterator[TableRow]:
    csv.field_size_limit(MAX_LINE)  # a prompt may be longer than the 128 KiB that csv allows
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = _csv_header(path, next(reader, []))
            for fields in reader:
                place = f"{path}, line {reader.line_num}"
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise DataError(
                        f"{place}: expected {len(header)} fields as in the header, "
                        f"found {len(fields)}; quote fields that hold commas"
                    )
                yield TableRow(place, {k: v or None for k, v in zip(header, fields, strict=True)})
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: malformed CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8, found {error}; re-encode the file") from error


def _csv_header(path: Path, header: list[str]) -> list[str]:
    """The column names, which must look like names: no blanks, repeats, sentences or numbers."""
    names = [name.strip() for name in header]
    odd = [name for name in names if not name or len(name.split()) > 4 or name[0].isdigit()]
    if header and (odd or len(set(names)) < len(names)):
        raise DataError(
            f"{path}, line 1: expected a header of distinct column names, found {header}; "
            "add a first line such as prompt,answer"
        )
    return names


def _read_parquet(path: Path) -> Iterator[TableRow]:
    from pyarrow import parquet

    with (
        guarded(DataError, f"{path}: cannot be read as Parquet"),
        parquet.ParquetFile(path) as file,
    ):
        batches = (row for batch in file.iter_batches(1024) for row in batch.to_pylist())
        for number, row in enumerate(batches, start=1):
            yield TableRow(f"{path}, row {number}", row)


def _read_saved(path: Path) -> Iterator[TableRow]:
    splits = [state.parent.name for state in path.glob("*/state.json")]
    if splits:
        raise DataError(
            f"{path}: holds several splits; name one of them: "
            f"{', '.join(str(path / split) for split in sorted(splits))}"
        )
    if not (path / "state.json").is_file():
        raise DataError(
            f"{path}: expected a file, or a directory saved by datasets' save_to_disk, "
            "found a directory without state.json"
        )
    from datasets import load_from_disk

    for number, row in enumerate(load_from_disk(str(path)), start=1):
        yield TableRow(f"{path}, row {number}", row)


_READERS: Mapping[str, Callable[[Path], Iterator[TableRow]]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
