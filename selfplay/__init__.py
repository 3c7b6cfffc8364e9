"""An open-ended self-play curriculum engine for post-training language models.

The calls are found here and loaded when they are used: `import selfplay` is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfplay.ablation import ablate as ablate
    from selfplay.config import load_config as load_config
    from selfplay.exports import export as export
    from selfplay.job import run as run
    from selfplay.offline.evaluate import evaluate as evaluate
    from selfplay.offline.train import train as train

__version__ = "0.1.0"

_CALLS = {
    "ablate": "selfplay.ablation",
    "evaluate": "selfplay.offline.evaluate",
    "export": "selfplay.exports",
    "load_config": "selfplay.config",
    "run": "selfplay.job",
    "train": "selfplay.offline.train",
}
"""Where each call is."""


def __getattr__(name: str) -> Any:
    if name not in _CALLS:
        raise AttributeError(f"module 'selfplay' has no attribute '{name}'")
    return getattr(import_module(_CALLS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_CALLS})
