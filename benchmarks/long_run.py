"""Two thousand rounds: does a run that lasts stay as small and as quick as it began?

The whole game with its ledger, creator, judge, stop conditions, clock and heartbeat; only the
network is missing. In its place a script answers, right with a probability that falls with the
prompt's length, and learning does nothing, so that what is measured is the engine and not the
policy. Left out, therefore: the trainer's memory.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from benchmarks.runner import Measurement
from meta.meta import Meta
from selfplay.build import gather, seat
from selfplay.config import Loaded, load_config
from selfplay.config.settings import RunConfig
from selfplay.core.models.scripted import ScriptedModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, Response, Sampling
from selfplay.events import StageDone
from selfplay.game import Game
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.process.heartbeat import Heartbeat
from selfplay.stages.tasks import task_judges
from selfplay.stopping.clock import Clock

ROUNDS = 2000
OVERRIDES = (
    f"rounds={ROUNDS}",
    "creator.batch=32",
    "creator.memory=100000",
    "creator.pool.capacity=1000",
    "solver.sampling.n=4",
    "evaluation.every=100",
    "evaluation.source.count=64",
    "save.every=500",
    "token_budget=1000000000000",
    "hour_budget=1000",
    "stop=[{name: plateau, evaluations: 1000}, {name: diversity, share: 0.01}]",
)
WRONG = "no idea"


@dataclass(frozen=True)
class Sample:
    """The process and the run after one round."""

    seconds: float
    """Wall time of the round."""
    cpu: float
    """Seconds of processors that it took, which a busy machine does not change."""
    resident: int
    """Bytes of the process in memory."""
    ledger: int
    """Bytes of the ledger with its journal."""
    archive: int
    """Prompts that were ever admitted."""
    pool: int
    """Prompts that parents are drawn from."""


class ScriptedSolver:
    """A solver without a network: what the game asks of one, and nothing learned."""

    name = "scripted"
    context = 4096
    peak_bytes: int | None = None

    def __init__(self) -> None:
        self.version = 0
        model = ScriptedModel(lambda chat, sampling, index, rng: WRONG)
        self.policy = SimpleNamespace(model=model)

    def respond(
        self,
        prompts: Sequence[Prompt],
        seed: Seed,
        sampling: Sampling | None = None,
        n: int | None = None,
    ) -> list[tuple[Response, ...]]:
        """Right answers to short prompts, mostly."""
        count = n or (sampling.n if sampling else 4)
        draws_PN = seed.numpy().random((len(prompts), count))
        chances = [max(0.05, 1.0 - len(prompt.text) / 200) for prompt in prompts]
        return [
            tuple(response((prompt.answer or "") if x < p else WRONG) for x in draws_N)
            for prompt, p, draws_N in zip(prompts, chances, draws_PN, strict=True)
        ]

    def with_baseline(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """None."""
        return []

    def baselines(self, prompts: Sequence[Prompt], seed: Seed) -> list[tuple[Response, ...]]:
        """None."""
        return []

    def learn(self, groups: Sequence[Group], seed: Seed) -> dict[str, float]:
        """Nothing but the next version."""
        self.version += 1
        return {"loss": 0.0}

    def save(self, directory: Path) -> str:
        """An empty directory, replaced as a policy's is."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        return f"{self.version:064x}"

    def restore(self, directory: Path) -> None:
        """The version that the directory is called after."""
        self.version = int(directory.name)

    def prompt_lengths(self, prompts: Sequence[Prompt]) -> list[int]:
        """Bytes."""
        return [len(prompt.text.encode()) for prompt in prompts]

    def tokenize(self, text: str) -> list[int]:
        """Bytes."""
        return list(text.encode())

    def decode(self, token_ids: Sequence[NDArray[np.int32]]) -> list[str]:
        """The text of the bytes."""
        return [bytes(ids.astype(np.uint8)).decode() for ids in token_ids]


def response(text: str) -> Response:
    """A text as a response; its tokens are its bytes."""
    ids = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
    return Response(text, ids, np.zeros(len(ids), np.float32), "stop")


def measure() -> Measurement:
    """One run, looked at after every round."""
    with tempfile.TemporaryDirectory() as place:
        samples = played(load_config("tiny", OVERRIDES), Path(place))
    quarter = len(samples) // 4
    parts = [samples[k * quarter : (k + 1) * quarter] for k in range(4)]
    starts = [samples[0].ledger, *(part[-1].ledger for part in parts)]
    rows = [
        row(k, parts[k], (starts[k + 1] - starts[k]) / quarter) | against(parts[k], parts[1])
        for k in range(4)
    ]
    return Measurement(
        title="A run of 2,000 rounds",
        question="Do memory and the time of a round stay flat, and does the ledger grow linearly?",
        rows=rows,
        notes=(
            f"{len(samples):,} rounds of 32 prompts × 4 responses in one process: the embedded "
            "game's creator (its pool capped at 1,000 prompts), judge and ledger, stop conditions "
            "and heartbeat; the policy is a script and learns nothing. Resident memory is the mean "
            "of the quarter, the times of a round are medians; CPU time is what other work on the "
            "machine does not change. The first quarter imports and fills the pool and the caches; "
            "the others are compared with the second."
        ),
    )


def played(loaded: Loaded[RunConfig], directory: Path) -> list[Sample]:
    """A sample after each round from the first on."""
    config = loaded.config
    samples: list[Sample] = []
    with Ledger.create(directory / LEDGER, loaded.as_dict(), {}) as ledger:
        game = table(config, ledger, directory)
        heartbeat = Heartbeat(directory)
        began, worked = time.perf_counter(), time.process_time()
        for event in play(game):
            heartbeat.see(event)
            if isinstance(event, StageDone) and event.stage == "record":
                took = time.perf_counter() - began, time.process_time() - worked
                if event.round:
                    samples.append(sample(game, *took))
                began, worked = time.perf_counter(), time.process_time()
        heartbeat.close()
    return samples


def table(config: RunConfig, ledger: Ledger, directory: Path) -> Game:
    """The players, the script among them; as `selfplay.build.open_game` seats them."""
    solver = ScriptedSolver()
    ledger.decode = solver.decode
    meta = Meta(config.meta, None, task_judges(config))
    clock = Clock(ledger, time.perf_counter())
    return seat(config, gather(config), meta, solver, ledger, directory, clock)  # type: ignore[arg-type]


def sample(game: Game, seconds: float, cpu: float) -> Sample:
    """How things stand after the round."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = (game.directory / name for name in (LEDGER, f"{LEDGER}-wal"))
    return Sample(
        seconds=seconds,
        cpu=cpu,
        resident=pages * os.sysconf("SC_PAGE_SIZE"),
        ledger=sum(file.stat().st_size for file in files),
        archive=game.ledger.archive_size(),
        pool=len(game.creator._memory.pool),
    )


def row(k: int, part: Sequence[Sample], growth: float) -> dict[str, str | float]:
    """A quarter's figures."""
    return {
        "rounds": f"{k * len(part) + 1}–{(k + 1) * len(part)}",
        "resident MiB": statistics.mean(s.resident for s in part) / 2**20,
        "ms a round": 1e3 * statistics.median(s.seconds for s in part),
        "CPU ms a round": 1e3 * statistics.median(s.cpu for s in part),
        "ledger KiB a round": growth / 2**10,
        "prompts admitted": float(part[-1].archive),
        "prompts in the pool": float(part[-1].pool),
    }


def against(part: Sequence[Sample], second: Sequence[Sample]) -> dict[str, str | float]:
    """Memory and time as shares of the second quarter's."""
    memory = [statistics.mean(s.resident for s in quarter) for quarter in (part, second)]
    times = [statistics.median(s.cpu for s in quarter) for quarter in (part, second)]
    return {"memory / 2nd": memory[0] / memory[1], "CPU / 2nd": times[0] / times[1]}
