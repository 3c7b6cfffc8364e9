"""Going on with a run whose ledger holds a thousand to a million prompts, all of them asked."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.runner import Cell, Measurement
from creator.pool.memory import Memory
from selfplay.build import dealt_material
from selfplay.config import load_config
from selfplay.config.settings import RunConfig
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Now, Prompt, Response, Verdict, user
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.stages.labels import TRAIN, estimated_from

SIZES = tuple(10**power for power in range(3, 7))
FOLDED = 10**5
"""The largest run that is also opened without the copy of its pool."""
ASKED, RESPONSES, PARENTS = 1024, 2, 256
"""Prompts of a round, responses to each, and parents drawn from all of them."""
CONFIG = ("creator.memory=1000000",)
TOKENS, LOGPROBS = np.arange(8, dtype=np.int32), np.full(8, -1.0, np.float32)


def measure(sizes: Sequence[int] = SIZES) -> Measurement:
    """One row for each size."""
    return Measurement(
        title="Opening a run",
        question="How long does a run with many prompts take until it can draw parents again?",
        rows=[row_of(size) for size in sizes],
        notes=(
            "A real ledger, written once and opened once; wall seconds, the file in the system's "
            "cache. `originals` reads the prompts that the run was dealt, `pool` goes on from the "
            f"copy beside the ledger, `folded` does without the copy and reads all {RESPONSES} "
            f"responses to every prompt again (up to {FOLDED:,} prompts), `parents` draws "
            f"{PARENTS} of them and reads these. Left out: loading the model, "
            "counting the tokens of the originals, and checking the spaces of puzzles."
        ),
    )


def row_of(size: int) -> dict[str, Cell]:
    """The measurements of one size."""
    config = replace(load_config("tiny", CONFIG).config, spaces={})
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        rounds = write_run(config, directory, size)
        seconds: dict[str, float] = {}
        began = time.perf_counter()
        with Ledger.open(directory / LEDGER) as ledger:
            ledger.decode = decoded
            seconds["ledger, s"] = time.perf_counter() - began
            seconds["originals, s"] = clock(partial(dealt_material, config, ledger))
            memory = seated(config, ledger, directory)
            seconds["pool, s"] = clock(partial(memory.measure, rounds + 1, []))
            seconds["parents, s"] = clock(partial(draw, config, memory, rounds + 1))
            total = sum(seconds.values())
            if size <= FOLDED:
                again = seated(config, ledger, None)
                seconds["folded, s"] = clock(partial(again.measure, rounds + 1, []))
        megabytes = (directory / LEDGER).stat().st_size / 1e6
    return {"prompts": f"{size:,}", "ledger, MB": megabytes, "open, s": total, **seconds}


def write_run(config: RunConfig, directory: Path, size: int) -> int:
    """A run that asked `size` originals, each once; how many rounds it has."""
    prompts = [
        Prompt(user(f"What is {i} plus {2 * i}? Explain it to a child."), f"task {i % 8}", str(i))
        for i in range(size)
    ]
    rewards = np.random.default_rng(0).integers(0, 2, (size, RESPONSES)).tolist()
    with Ledger.create(directory / LEDGER, {}, {}) as ledger:
        ledger.decode = decoded
        with ledger.commit(0, "deal"):
            ledger.admit(prompts)
        memory = seated(config, ledger, directory)
        for t, start in enumerate(range(0, size, ASKED), 1):
            asked = slice(start, start + ASKED)
            groups = [group(*pair) for pair in zip(prompts[asked], rewards[asked], strict=True)]
            ledger.add_groups(t - 1, TRAIN, 0, groups)
            memory.measure(t, groups)
    return t


def group(prompt: Prompt, rewards: Sequence[float]) -> Group:
    """A judged group."""
    responses = tuple(Response("", TOKENS, LOGPROBS, "stop") for _ in rewards)
    return Group(prompt, responses, "train", 1).judged([Verdict(r) for r in rewards], "judge")


def decoded(batch: Sequence[object]) -> list[str]:
    """In the place of a tokenizer: the texts are empty."""
    return [""] * len(batch)


def seated(config: RunConfig, ledger: Ledger, directory: Path | None) -> Memory:
    """The creator's memory, as a run has it."""
    history = partial(estimated_from, ledger)
    return Memory(config.creator, ledger, history, Seed(0), None, directory)


def draw(config: RunConfig, memory: Memory, t: int) -> list[Prompt]:
    """Parents from all that the run has asked."""
    eligible = memory.eligible(Now(t, 1, "judge"), [])
    sample = config.creator.sampler.build()
    places = sample(eligible.columns, PARENTS, np.random.default_rng(0))
    return eligible.prompts.read(places)


def clock(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
