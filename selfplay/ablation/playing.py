"""Runs the cells of a grid, several at a time, each in a process of its own.

What is there already and finished, with the same configuration, is left alone; what was interrupted
goes on. Beside a run's ledger stands `cell.json`: how long its process took, over all its starts.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path

from selfplay.ablation.grid import Cell
from selfplay.ablation.host import GIB, Host, Memory
from selfplay.analysis.status import standing
from selfplay.config import differences, load_config, load_values
from selfplay.config.settings import RunConfig
from selfplay.core.errors import ConfigError, LedgerError, ResourceError, SelfplayError, require
from selfplay.core.state_files import read_state, write_state
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.stopping.concluding import spent_tokens

TIMES = "cell.json"
KILLED = -9


def run_cells(
    grid: Sequence[Cell], workers: int, host: Host | None = None, shared: Path | None = None
) -> Iterator[Cell]:
    """Runs the cells; yields each as it is finished.

    Args:
        grid: what to run.
        workers: runs at a time; where GPUs are named, at most as many as they have room for.
        host: what a run may use.
        shared: folder for round 0 of arms that it is the same for; without it each plays its own.

    Raises:
        ConfigError: no worker, an arm's configuration is wrong, or a run that is there is past the
            end that the grid gives it.
        ResourceError: a run failed; the message ends with what it said.
    """
    require(workers >= 1, "workers", "1 or more", workers)
    _check_arms(grid)
    chosen = host or Host()
    places: queue.Queue[dict[str, str]] = queue.Queue()
    for place in chosen.places(workers):
        places.put(place)
    memory = Memory(chosen.memory_gib * GIB)
    pool = ThreadPoolExecutor(places.qsize())

    def run(cell: Cell) -> None:
        place = places.get()
        try:
            run_cell(cell, place, memory, shared)
        finally:
            places.put(place)

    futures = {pool.submit(run, cell): cell for cell in grid}
    try:
        for future in as_completed(futures):
            future.result()
            yield futures[future]
    except SelfplayError as error:
        # The runs at work go on to their ends, which may be days away.
        print(f"note: the grid ends with the runs at work: {error}", file=sys.stderr)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _check_arms(grid: Sequence[Cell]) -> None:
    """Raises ConfigError for an arm that could not start, before any run has taken its time."""
    for arm, cell in {cell.arm: cell for cell in grid}.items():
        try:
            load_config(cell.game, cell.overrides, RunConfig)
        except ConfigError as error:
            raise ConfigError(f"{arm}: {error}") from error


def run_cell(cell: Cell, place: Mapping[str, str], memory: Memory, shared: Path | None) -> None:
    """Runs one cell to its end; one that is there already, with this configuration, is left alone.

    Raises:
        ConfigError: the run that is there went on for longer than this configuration does.
        ResourceError: the run failed.
    """
    if is_finished(cell):
        return
    _refuse_longer(cell)
    module = (sys.executable, "-m", "selfplay.ablation.cell_process")
    command = (*module, cell.game, str(cell.directory), str(shared or ""), *cell.overrides)

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # its end tells the cell that this process is gone
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | place,
        )

    process = memory.start(start)
    began = time.perf_counter()
    try:
        said = _heard(process)
    finally:
        memory.ended(process.pid)
    _note(cell, time.perf_counter() - began)
    if process.returncode:
        why = said.strip()[-2000:]
        if process.returncode == KILLED:
            why += " it was killed, most often for want of memory: take fewer --workers"
        raise ResourceError(f"{cell.arm}, seed {cell.seed} failed: {why}")


def _heard(process: subprocess.Popen[str]) -> str:
    """Waits for the end of a process; what it wrote to its standard error.

    Not `communicate`, which would end its standard input at once.
    """
    with process:
        assert process.stderr is not None
        said = process.stderr.read()
        process.wait()
    return said


def is_finished(cell: Cell) -> bool:
    """Is there a finished run of exactly this configuration?"""
    path = cell.directory / LEDGER
    if not path.is_file():
        return False
    wanted = load_config(cell.game, cell.overrides, RunConfig).as_dict()
    with Ledger.open(path, read_only=True) as ledger:
        # Filled up, so that a setting which a later release adds does not make a run another one.
        found = load_values(ledger.settings, str(path), RunConfig).as_dict()
    return not differences(found, wanted, set()) and standing(cell.directory).state == "finished"


def _refuse_longer(cell: Cell) -> None:
    """Raises ConfigError for a run that is past its end: it would be compared as it is."""
    if not (cell.directory / LEDGER).is_file():
        return
    wanted = load_config(cell.game, cell.overrides, RunConfig).config
    with Ledger.open(cell.directory / LEDGER, read_only=True) as ledger:
        last = ledger.last_round()
        spent = spent_tokens(ledger, last - 1)
    past = f"{last} rounds of rounds={wanted.rounds}" if last > wanted.rounds else ""
    if wanted.token_budget is not None and last and spent >= wanted.token_budget:
        past = f"{spent:,} tokens of token_budget={wanted.token_budget:,} before its last round"
    if past:
        raise ConfigError(
            f"{cell.arm}, seed {cell.seed}: expected a run that this grid can go on with in "
            f"{cell.directory}, found one with {past}; choose another --out, or remove it"
        )


def seconds_of(cell: Cell) -> float | None:
    """How long the cell's process took, over all its starts; None where that is not known."""
    # A damaged file costs a figure, and must not keep the grid from going on.
    with suppress(OSError, LedgerError, TypeError, ValueError):
        return float(read_state(cell.directory / TIMES, "seconds")["seconds"])
    return None


def _note(cell: Cell, seconds: float) -> None:
    if cell.directory.is_dir():
        total = round((seconds_of(cell) or 0.0) + seconds, 3)
        write_state(cell.directory / TIMES, {"seconds": total})
