"""Token ids of a run's responses as texts, for those that read a run and do not play it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.ledger import Ledger
from selfplay.paths import LEDGER, POLICY, model_directory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from selfplay.core.models.chat import ChatTokenizer
    from selfplay.ledger.groups import Decode


def decoder(directory: Path) -> Decode:
    """What `Ledger.decode` needs; the tokenizer of the run in `directory` is loaded on first use.

    Raises:
        ModelError: on first use, the tokenizer cannot be loaded.
    """
    loaded: list[ChatTokenizer] = []

    def decode(ids: Sequence[NDArray[np.int32]]) -> list[str]:
        if not loaded:
            from selfplay.core.models.chat import ChatTokenizer
            from selfplay.core.models.pretrained import load_tokenizer

            place = str(_tokenizer_place(directory))
            loaded.append(ChatTokenizer(load_tokenizer(place), place))
        return loaded[0].decode(ids)

    return decode


def _tokenizer_place(directory: Path) -> Path | str:
    """A kept policy version, which holds it; otherwise the model that the run started from."""
    kept = sorted((directory / POLICY).glob("*/tokenizer_config.json"))
    if kept:
        return kept[0].parent
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        return model_directory(ledger.settings["model"]["path"])
