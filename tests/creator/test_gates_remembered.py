from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from creator.gates.remembered import Records, Remembered, as_ids, as_integers
from selfplay.core.types import Prompt, user
from tests.creator.gate_surroundings import Pool


def numbered(*numbers: int) -> list[Prompt]:
    return [Prompt(user(str(number))) for number in numbers]


def lengths(prompts: Sequence[Prompt]) -> tuple[NDArray[np.uint64], NDArray[Any]]:
    numbers = np.array([int(prompt.text) for prompt in prompts])
    return numbers.astype(np.uint64), np.column_stack([numbers, -numbers]).astype(np.float32)


def remembered(pool: Pool, path: Path | None) -> Remembered:
    return Remembered(pool, Records(path, 2, np.float32), lengths)


def values(held: Remembered) -> list[int]:
    held.catch_up()
    records = held.records
    assert records.marks_N.tolist() == records.values_NV[:, 0].astype(int).tolist()
    assert (records.values_NV[:, 1] == -records.values_NV[:, 0]).all()
    return [int(mark) for mark in records.marks_N]


@pytest.mark.parametrize("on_disk", [True, False])
def test_records_follow_the_archive(tmp_path: Path, on_disk: bool) -> None:
    pool = Pool()
    held = remembered(pool, tmp_path / "records" if on_disk else None)
    assert values(held) == []
    pool.held += numbered(*range(3000))
    assert values(held) == list(range(3000))
    pool.held += numbered(5000)
    pool.fetched = 0
    assert values(held)[-2:] == [2999, 5000]
    assert pool.fetched == 1
    assert as_ids(held.records.ids_N) == list(pool.ids(0))


def test_what_a_crash_kept_out_of_the_archive_is_cut_off(tmp_path: Path) -> None:
    pool = Pool(numbered(1, 2, 3, 4))
    assert values(remembered(pool, tmp_path / "records")) == [1, 2, 3, 4]
    pool = Pool(numbered(1, 2, 7))
    assert values(remembered(pool, tmp_path / "records")) == [1, 2, 7]
    assert pool.fetched == 1
    assert values(remembered(Pool(numbered(1)), tmp_path / "records")) == [1]
    assert values(remembered(Pool(), tmp_path / "records")) == []


def test_half_a_record_at_the_end_of_the_file_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "records"
    assert values(remembered(Pool(numbered(1, 2, 3)), path)) == [1, 2, 3]
    path.write_bytes(path.read_bytes()[:-5])
    pool = Pool(numbered(1, 2, 3))
    assert values(remembered(pool, path)) == [1, 2, 3]
    assert pool.fetched == 1


def test_ids_survive_as_integers() -> None:
    ids = [*Pool(numbered(*range(50))).ids(0), "00000000000000ff", "ffffffffffffffff"]
    assert as_ids(as_integers(ids)) == ids
