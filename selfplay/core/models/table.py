"""The text models that a role may ask: names, options and where their code is. No NumPy, no torch.

A factory takes its options and the live policy.
"""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.components import NoOptions, Row, Table, model_place
from selfplay.core.errors import require
from selfplay.core.models.endpoint_options import EndpointOptions


@dataclass(frozen=True)
class OwnModelOptions:
    """A model of the role's own."""

    path: str = model_place("")
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


IN_PROCESS: Table = {
    "policy": Row(
        "selfplay.core.models.factories:policy", NoOptions, "the solver's own network, as it is"
    ),
    "transformers": Row(
        "selfplay.core.models.factories:transformers", OwnModelOptions, "a model of its own"
    ),
}
"""Models that can say how likely a given text is."""

MODELS: Table = {
    **IN_PROCESS,
    "endpoint": Row(
        "selfplay.core.models.factories:endpoint",
        EndpointOptions,
        "a model behind an OpenAI-compatible server",
    ),
}
"""All models."""
