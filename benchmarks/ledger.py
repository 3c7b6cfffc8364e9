"""The ledger's share of a round: writing, judging, reading and digesting groups, and a big pool.

Left out: decoding token ids to texts, which is the tokenizer's time (the decoder here is a table).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.runner import Measurement
from selfplay.core.types import Group, Prompt, Puzzle, Response, Verdict, user
from selfplay.ledger import Ledger

ROUNDS = 40
GROUPS, RESPONSES, TOKENS = 64, 8, 10
POOL = 100_000

Times = dict[str, list[float]]


def measure() -> Measurement:
    """Medians over rounds, in one process, on the disk that holds the temporary directory."""
    times: Times = {}
    with tempfile.TemporaryDirectory() as directory:
        play_rounds(Path(directory) / "rounds.db", times)
        hold_pool(Path(directory) / "pool.db", times)
    return Measurement(
        title="Ledger",
        question="What does keeping everything in one SQLite file cost a round?",
        rows=[
            {
                "what": what,
                "median ms": 1e3 * statistics.median(seconds),
                "min ms": 1e3 * min(seconds),
                "max ms": 1e3 * max(seconds),
                "repeats": len(seconds),
            }
            for what, seconds in times.items()
        ],
        notes=(
            f"A round is {GROUPS} groups x {RESPONSES} responses x {TOKENS} tokens with "
            f"log-probabilities, the n-th into a file that holds the n - 1 before. The pool has "
            f"{POOL:,} prompts. WAL, synchronous=NORMAL; every write is one transaction."
        ),
    )


def play_rounds(path: Path, times: Times) -> None:
    """Rounds as the game writes them, into one file that grows."""
    with Ledger.create(path, {}, {}) as ledger:
        ledger.decode = lambda batch: [""] * len(batch)
        for t, groups in enumerate(make_rounds(), 1):
            play_round(ledger, t, groups, times)
        clock(times, f"digest of {ROUNDS} rounds", ledger.digest, repeats=5)


def play_round(ledger: Ledger, t: int, groups: list[Group], times: Times) -> None:
    """One round's groups, written unjudged, judged, and read back."""
    verdicts = [[Verdict(0.5)] * RESPONSES] * GROUPS
    clock(times, "write groups", lambda: ledger.add_groups(t, "train", 0, groups))
    clock(times, "write verdicts", lambda: ledger.add_verdicts(t, "train", 0, verdicts, "f"))
    clock(times, "read judged groups", lambda: ledger.groups(t, "train"))


def hold_pool(path: Path, times: Times) -> None:
    """A pool that is much larger than a round."""
    prompts = [Prompt(user(f"prompt {i}"), answer=str(i)) for i in range(POOL)]
    some = [prompt.id for prompt in prompts[:: POOL // 1000]]
    with Ledger.create(path, {}, {}) as ledger:
        clock(times, "add the pool", lambda: ledger.add_prompts(prompts))
        clock(times, "which of 1,000 ids are in the pool", lambda: ledger.known(some), repeats=9)
        clock(times, "1,000 prompts of the pool", lambda: ledger.prompts(some), repeats=9)
        clock(times, "digest of the pool", ledger.digest, repeats=3)
    clock(times, "open the pool to write", lambda: Ledger.open(path).close(), repeats=9)
    clock(
        times,
        "open the pool to read",
        lambda: Ledger.open(path, read_only=True).close(),
        repeats=9,
    )


def make_rounds() -> Iterator[list[Group]]:
    """Unjudged groups of new prompts, round by round."""
    draws = np.random.default_rng(0)
    for t in range(ROUNDS):
        tokens_GNT = draws.integers(0, 100, (GROUPS, RESPONSES, TOKENS)).astype(np.int32)
        logps_GNT = -draws.exponential(size=tokens_GNT.shape).astype(np.float32)
        yield [
            Group(
                Prompt(user(f"prompt {t}.{g}"), puzzle=Puzzle("spell", (("length", 4),), g)),
                tuple(
                    Response("", tokens, logps, "stop")
                    for tokens, logps in zip(tokens_GNT[g], logps_GNT[g], strict=True)
                ),
                "train",
                policy_version=t,
            )
            for g in range(GROUPS)
        ]


def clock(times: Times, what: str, work: Callable[[], object], repeats: int = 1) -> None:
    """Adds the seconds that `work` takes to `times[what]`, `repeats` times."""
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.setdefault(what, []).append(time.perf_counter() - began)
