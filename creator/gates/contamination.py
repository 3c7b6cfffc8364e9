"""Turns down a prompt that repeats one the model will be tested on.

Word n-grams as in the reports on GPT-3 (13 words) and PaLM (8 words, by share; arXiv 2204.02311):
a prompt repeats a benchmark's prompt if they share at least `share` of the n-grams of the shorter
of the two. So a copy is found with a story around it, and so is a part that is long enough; single
phrases that two problems have in common do not count. Changed numbers save no copy: what leaks is
the problem. A benchmark's prompt of fewer than n words is found when it is the whole prompt.

Sentence embeddings find paraphrases too, where an embedder is installed: `CLOSE` stands between
those of prompts that were said again (0.89 to 0.96) and of others on the same subject (0.845).
Cosines grow with the subject in common, so a threshold of one's own must be measured on prompts
known to be clean. The run's held-out prompts are compared with like a benchmark's.

Puzzles pass: all items of a generator share its template, and held-out ones are told by their text.

n-grams of more than 2 tested prompts, and of more than 1 % of them, are a template's ("put your
final answer within a box") and are left out of the count; a prompt that is template throughout
copies only what it repeats word for word.

Left out: translations, and answers without their questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from creator.gates.context import HasBenchmarks
from creator.gates.minhash import shingle_hashes
from creator.gates.table import ContaminationOptions
from creator.gates.words import asked_text
from selfplay.core.types import Prompt
from selfplay.core.words import words

CLOSE = 0.86
"""Cosine of a paraphrase, by default."""
HELD_OUT = "the held-out prompts"
_BLOCK = 8192
_TEXTS = 256
"""Texts that are looked up at once."""
_COMMON = 0.01
"""Share of the indexed texts above which an n-gram is a template's."""
_SEEN = 2
"""Texts that may always share an n-gram."""


@dataclass(frozen=True)
class Grams:
    """The distinct n-grams of some texts, as hashes."""

    hashes_G: NDArray[np.uint64]
    """Ascending within a text."""
    owners_G: NDArray[np.intp]
    """Whose they are; ascending."""
    counts_N: NDArray[np.intp]
    """How many each text has."""


def grams_of(texts: Sequence[str], n: int) -> Grams:
    """The n-grams of words, all numbers in digits being one word; a shorter text is one gram."""
    plain = [["0" if word[0].isdigit() else word for word in words(text)] for text in texts]
    hashes_S, starts_N = shingle_hashes([text or [""] for text in plain], n)
    counts_N = np.diff(np.append(starts_N, len(hashes_S)))
    owners_S = np.repeat(np.arange(len(texts)), counts_N)
    order = np.lexsort((hashes_S, owners_S))
    hashes_S, owners_S = hashes_S[order], owners_S[order]
    repeats = (hashes_S[1:] == hashes_S[:-1]) & (owners_S[1:] == owners_S[:-1])
    first = np.append(True, ~repeats)[: len(hashes_S)]
    owners_G = owners_S[first]
    return Grams(hashes_S[first], owners_G, np.bincount(owners_G, minlength=len(texts)))


class GramIndex:
    """Says which of some texts share n-grams with others.

    n-grams that stand in more than `limit` of the distinct texts are a template's and count
    nowhere; a text that has no others is compared as a whole, its numbers included.
    """

    def __init__(self, texts: Sequence[str], n: int) -> None:
        self._n = n
        self._whole = _places_of(texts)
        self.limit = max(_SEEN, int(_COMMON * len(self._whole)))
        grams = grams_of(texts, n)
        self._hashes_V, columns_G = np.unique(grams.hashes_G, return_inverse=True)
        # Copies within the index are one text: a problem listed thrice is no template.
        once_G = np.isin(grams.owners_G, [places[0] for places in self._whole.values()])
        self._kept_V = np.bincount(columns_G[once_G], minlength=len(self._hashes_V)) <= self.limit
        kept_G = self._kept_V[columns_G]
        self._counts_M = np.bincount(grams.owners_G[kept_G], minlength=len(texts))
        self._grams_VM = self._matrix(grams.owners_G[kept_G], columns_G[kept_G], len(texts)).T

    def shares(
        self, texts: Sequence[str], least: float = 0.0
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Pairs (text asked for, text of the index) with an n-gram in common, shape (P, 2).

        And for each pair the shared n-grams as a share of those of the shorter text, shape (P,).
        Pairs below the share `least` are left out. A block of texts at a time, so that memory
        grows with what is found alone; each n-gram asked for meets `limit` distinct texts at most.
        """
        pairs, shares = [np.zeros((0, 2), np.intp)], [np.zeros(0)]
        for start in range(0, len(texts), _TEXTS):
            pairs_P2, shares_P = self._shares_of(texts[start : start + _TEXTS])
            found_P = shares_P >= least
            pairs.append(pairs_P2[found_P] + np.array([start, 0]))
            shares.append(shares_P[found_P])
        return np.concatenate(pairs), np.concatenate(shares)

    def _shares_of(self, texts: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """As `shares`, for one block."""
        asked = grams_of(texts, self._n)
        columns_G = np.searchsorted(self._hashes_V, asked.hashes_G)
        columns_G = np.minimum(columns_G, max(len(self._hashes_V) - 1, 0))
        known_G = np.zeros(len(columns_G), bool)
        if len(self._hashes_V):
            known_G = self._hashes_V[columns_G] == asked.hashes_G
        shared_G = known_G.copy()
        shared_G[known_G] = self._kept_V[columns_G[known_G]]
        # What the index does not know is the text's own, and counts in its length.
        counts_N = np.bincount(asked.owners_G[shared_G | ~known_G], minlength=len(texts))
        rows = self._matrix(asked.owners_G[shared_G], columns_G[shared_G], len(texts))
        found = (rows @ self._grams_VM).tocoo()
        sizes_P = np.minimum(counts_N[found.row], self._counts_M[found.col])
        whole = [
            (i, k)
            for i, text in enumerate(texts)
            for k in self._whole.get(tuple(words(text)), ())
            if not counts_N[i] or not self._counts_M[k]
        ]
        pairs_P2 = np.concatenate(
            [np.column_stack([found.row, found.col]), np.array(whole, np.intp).reshape(-1, 2)]
        ).astype(np.intp)
        shares_P = np.concatenate([found.data / sizes_P, np.ones(len(whole))])
        order = np.lexsort((pairs_P2[:, 1], pairs_P2[:, 0]))
        return pairs_P2[order], shares_P[order]

    def _matrix(
        self, owners_G: NDArray[np.intp], columns_G: NDArray[np.intp], texts: int
    ) -> csr_array:
        """A 1 for every n-gram of every text, shape (texts, V)."""
        ones_G = np.ones(len(owners_G), np.int64)
        return csr_array((ones_G, (owners_G, columns_G)), shape=(texts, len(self._hashes_V)))


def _places_of(texts: Sequence[str]) -> dict[tuple[str, ...], list[int]]:
    """Where each distinct text stands, by its words."""
    places: dict[tuple[str, ...], list[int]] = {}
    for i, text in enumerate(texts):
        places.setdefault(tuple(words(text)), []).append(i)
    return places


def near_copies(prompts: Sequence[Prompt], tested: Sequence[Prompt]) -> list[int]:
    """Places of the prompts that repeat a tested one by their n-grams, as the gate has it."""
    options = ContaminationOptions()
    index = GramIndex([asked_text(prompt) for prompt in tested], options.n)
    pairs_P2, _ = index.shares([asked_text(prompt) for prompt in prompts], options.share)
    return [int(place) for place in np.unique(pairs_P2[:, 0])]


class Contamination:
    """Compares each prompt with every prompt of the benchmarks' files, and the held-out ones."""

    def __init__(self, options: ContaminationOptions, surroundings: HasBenchmarks) -> None:
        self._options = options
        self._embedder = surroundings.embedder
        default = CLOSE if self._embedder.installed else 0.0
        self._cosine = default if options.cosine is None else options.cosine
        self._texts: list[str] = []
        self._sources: list[str] = []
        for path in options.files:
            texts = surroundings.read_texts(path)
            self._texts += texts
            self._sources += [Path(path).name] * len(texts)
        if options.heldout:
            self._texts += sorted(surroundings.heldout)
            self._sources += [HELD_OUT] * len(surroundings.heldout)
        self._index = GramIndex(self._texts, options.n)

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`."""
        reasons = [""] * len(prompts)
        asked = [i for i, prompt in enumerate(prompts) if prompt.puzzle is None]
        if asked and self._texts:
            found = self._found([asked_text(prompts[i]) for i in asked])
            for i, reason in zip(asked, found, strict=True):
                reasons[i] = reason
        return reasons

    def _found(self, texts: Sequence[str]) -> list[str]:
        """For each text, what it repeats."""
        reasons = [""] * len(texts)
        pairs_P2, _ = self._index.shares(texts, self._options.share)
        for i, k in pairs_P2.tolist():
            reasons[i] = reasons[i] or f"in a benchmark: {self._sources[k]}"
        standing = [i for i, reason in enumerate(reasons) if not reason]
        if self._cosine and standing:
            nearest = self._nearest([texts[i] for i in standing])
            for i, k in zip(standing, nearest, strict=True):
                reasons[i] = f"near a benchmark: {self._sources[k]}" if k >= 0 else ""
        return reasons

    def _nearest(self, texts: Sequence[str]) -> list[int]:
        """The benchmarks' prompt of the highest cosine, or −1 where that is below the threshold."""
        vectors_ND = self._embedder.embed(texts)
        best_N = np.full(len(texts), -np.inf, np.float32)
        nearest_N = np.full(len(texts), -1)
        for start in range(0, len(self._vectors_MD), _BLOCK):
            cosines_MN = self._vectors_MD[start : start + _BLOCK] @ vectors_ND.T
            rows_N = cosines_MN.argmax(axis=0)
            here_N = cosines_MN[rows_N, np.arange(len(texts))]
            better_N = (here_N > best_N) & (here_N >= self._cosine)
            nearest_N[better_N] = start + rows_N[better_N]
            best_N[better_N] = here_N[better_N]
        return [int(k) for k in nearest_N]

    @cached_property
    def _vectors_MD(self) -> NDArray[np.float32]:
        return self._embedder.embed(self._texts)
