"""Is a prompt new? 512 prompts of 60 words against each other and an archive of up to 10⁵.

Embedding is timed apart: the novelty gate gets ready vectors. One in eight of the new prompts is
planted: near an archived one in words, figures and vector, so that what is found can be counted.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.runner import Cell, Measurement
from creator.gates.admission import Gate
from creator.gates.near_duplicate import NearDuplicate
from creator.gates.novelty import Novelty
from creator.gates.table import NearDuplicateOptions, NoveltyOptions
from selfplay.core.types import Prompt, user

SIZES = (10_000, 100_000)
NEW, WORDS, WIDTH = 512, 60, 384
PLANTED = NEW // 8
VOCABULARY = 20_000
REPEATS = 7


class Pool:
    """An archive in memory."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._ids = [prompt.id for prompt in prompts]
        self._prompts = dict(zip(self._ids, prompts, strict=True))

    def ids(self, start: int) -> Iterable[str]:
        """As `Archive.ids`."""
        return self._ids[start:]

    def prompts(self, ids: Sequence[str]) -> list[Prompt]:
        """As `Archive.prompts`."""
        return [self._prompts[prompt_id] for prompt_id in ids]


class Ready:
    """Vectors that were made before."""

    name = "ready"
    installed = True

    def __init__(self, texts: Sequence[str], vectors_ND: NDArray[np.float32]) -> None:
        self._rows = {text: i for i, text in enumerate(texts)}
        self._vectors_ND = vectors_ND

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `Embeds.embed`."""
        return self._vectors_ND[[self._rows[text] for text in texts]]


@dataclass(frozen=True)
class Surroundings:
    """What the two gates ask for."""

    archive: Pool
    embedder: Ready
    directory: Path


def measure() -> Measurement:
    """Medians over repeats, in one process; files in the temporary directory."""
    rows: list[dict[str, Cell]] = []
    for size in SIZES:
        archived, new, embedder = make_prompts(size)
        pool = Pool(archived)
        with tempfile.TemporaryDirectory() as directory:
            world = Surroundings(pool, embedder, Path(directory))
            rows.append(row("novelty", size, partial(Novelty, NoveltyOptions(), world), new))
            make = partial(NearDuplicate, NearDuplicateOptions(), world)
            rows.append(row("near_duplicate", size, make, new))
    return Measurement(
        title="New prompts",
        question=f"What do the gates cost that compare {NEW} prompts with all there are?",
        rows=rows,
        notes=(
            f"Prompts of {WORDS} words. First use: everything is computed, vectors excepted, and "
            "written; reopened: by a new process's gate, from the file. Seconds a batch: comparing "
            f"{NEW} prompts with the archive and with each other, median of {REPEATS}. "
            f"{PLANTED} of them are planted (one word in twenty changed, cosine 0.95). For each "
            "archived prompt novelty keeps 1,552 bytes in its file, near_duplicate 112 in its file "
            "and 192 in memory."
        ),
    )


def row(name: str, size: int, make: Callable[[], Gate], new: list[Prompt]) -> dict[str, Cell]:
    """One gate on one archive."""
    first = seconds(lambda: make().reasons(new[:1]))
    began = time.perf_counter()
    gate = make()
    gate.reasons(new[:1])
    reopened = time.perf_counter() - began
    reasons = gate.reasons(new)
    times = [seconds(lambda: gate.reasons(new)) for _ in range(REPEATS)]
    return {
        "gate": name,
        "archive": size,
        "median s a batch": statistics.median(times),
        "min s": min(times),
        "max s": max(times),
        "first use s": first,
        "reopened s": reopened,
        "planted found": sum(map(bool, reasons[:PLANTED])) / PLANTED,
        "others turned down": sum(map(bool, reasons[PLANTED:])) / (NEW - PLANTED),
    }


def make_prompts(size: int) -> tuple[list[Prompt], list[Prompt], Ready]:
    """The archive, the new prompts (the planted ones first), and the vectors of both."""
    rng = np.random.default_rng(0)
    # Zipf-Mandelbrot: the most frequent word is one in 25, as in English.
    frequencies_V = 1.0 / (np.arange(VOCABULARY) + 2.7)
    frequencies_V /= frequencies_V.sum()
    words_MW = rng.choice(VOCABULARY, (size + NEW, WORDS), p=frequencies_V)
    vectors_MD = rng.standard_normal((size + NEW, WIDTH), np.float32)
    vectors_MD /= np.linalg.norm(vectors_MD, axis=1, keepdims=True)
    figures_M = np.arange(size + NEW)
    planted = slice(size, size + PLANTED)
    sources = rng.choice(size, PLANTED, replace=False)
    words_MW[planted] = words_MW[sources]
    words_MW[planted, :: WORDS // 3] = VOCABULARY
    figures_M[planted] = figures_M[sources]
    # Of two unit vectors at right angles in high dimensions: cosine 0.95 with the source.
    vectors_MD[planted] = 0.95 * vectors_MD[sources] + 0.3123 * vectors_MD[planted]
    vectors_MD[planted] /= np.linalg.norm(vectors_MD[planted], axis=1, keepdims=True)
    names = np.array([spelled(i) for i in range(VOCABULARY + 1)])
    texts = [
        f"{' '.join(names[row])} {figure}?" for row, figure in zip(words_MW, figures_M, strict=True)
    ]
    prompts = [Prompt(user(text)) for text in texts]
    return prompts[:size], prompts[size:], Ready(texts, vectors_MD)


def spelled(number: int) -> str:
    """A word of letters for each number."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return letters[number % 26] + (spelled(number // 26) if number >= 26 else "")


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
