"""Fits the words' weights of `selfplay.core.refusal_words` to texts that refuse and do not.

`python -m benchmarks.refusal_fit` writes the packaged weights. It is logistic regression with a
quadratic penalty; a text is the set of its features, scaled to length one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit

from selfplay.core import refusal_words
from selfplay.core.refusals import own_words

CASES = Path(__file__).parent / "cases" / "refusals.jsonl"
WEIGHTS = Path(refusal_words.__file__).with_suffix(".json")

KEPT = 8000
"""Features that are kept: those with the most to say on these texts."""

PENALTY = 1 / 30


def cases() -> list[dict[str, Any]]:
    """The labelled texts, `{set, refuses, text}` and a `prompt` where there is one."""
    return [json.loads(row) for row in CASES.read_text(encoding="utf-8").splitlines()]


def fitted(texts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Each feature's weight, and under the empty name the constant."""
    sets = [refusal_words.features(own_words(row["text"])[0]) for row in texts]
    labels = np.array([row["refuses"] for row in texts], float)
    seen = Counter(feature for features in sets for feature in features)
    names = sorted(feature for feature, count in seen.items() if count > 1)
    weights, _ = _regression(sets, names, labels)
    told = [abs(weight) * np.sqrt(seen[name]) for name, weight in zip(names, weights, strict=True)]
    best = np.argsort(told, kind="stable")[::-1][:KEPT]
    kept = sorted(names[place] for place in best)
    weights, constant = _regression(sets, kept, labels)
    rounded = zip(kept, (round(float(weight), 2) for weight in weights), strict=True)
    return {"": round(constant, 2)} | {name: weight for name, weight in rounded if weight}


def _regression(
    sets: Sequence[set[str]], names: Sequence[str], labels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Weights, shape (F,), and constant of a logistic regression on `names`."""
    column = {name: place for place, name in enumerate(names)}
    rows = [sorted(column[name] for name in features if name in column) for features in sets]
    values = np.concatenate([np.full(len(row), len(row) ** -0.5) for row in rows])
    starts = np.cumsum([0, *map(len, rows)])
    x_nf = csr_matrix((values, np.concatenate(rows), starts), (len(rows), len(names)))

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds_n = x_nf @ w[:-1] + w[-1]
        error_n = expit(odds_n) - labels
        value = np.logaddexp(0, odds_n) @ np.ones_like(labels) - labels @ odds_n
        slope = np.append(x_nf.T @ error_n + PENALTY * w[:-1], error_n.sum())
        return float(value + PENALTY / 2 * w[:-1] @ w[:-1]), slope

    found = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B").x
    return found[:-1], float(found[-1])


if __name__ == "__main__":
    lines = (f"{json.dumps(name, ensure_ascii=False)}: {w}" for name, w in fitted(cases()).items())
    WEIGHTS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"wrote {WEIGHTS}")
