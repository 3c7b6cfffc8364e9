"""The models that rewrite: names, options and where their code is. No NumPy, no torch.

A factory takes its options and the solver's live model.
"""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.components import NoOptions, Row
from selfplay.core.errors import require
from selfplay.core.models.endpoint_options import EndpointOptions


@dataclass(frozen=True)
class OwnModelOptions:
    """A model of the rewriter's own."""

    path: str = ""
    """A model directory in Hugging Face layout, or a hub name."""
    dtype: str = "float32"
    """`float32`, `bfloat16` or `float16`."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: CUDA where there is one."""

    def check(self, where: str) -> None:
        """Refuses a model without a name.

        Raises:
            ConfigError: no path.
        """
        require(bool(self.path), f"{where}.path", "a model's directory or hub name", "none")


ROWS: dict[str, Row] = {
    "policy": Row("creator.rewriters:policy", NoOptions, "the solver's own network, as it is"),
    "transformers": Row("creator.rewriters:transformers", OwnModelOptions, "a model of its own"),
    "endpoint": Row(
        "creator.rewriters:endpoint", EndpointOptions, "a model behind an OpenAI-compatible server"
    ),
}
