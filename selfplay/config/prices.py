"""Which models of a configuration cost money that nobody could count. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from selfplay.core.components import Choice
from selfplay.core.models.endpoint_options import EndpointOptions


def unpriced(config: Any, where: str = "") -> Iterator[str]:
    """Dotted keys of the models behind servers that the configuration names without prices."""
    if isinstance(config, EndpointOptions) and None in (config.price_in, config.price_out):
        yield where
    elif isinstance(config, Choice):
        yield from unpriced(config.options, where)
    elif isinstance(config, tuple | list):
        for i, item in enumerate(config):
            yield from unpriced(item, f"{where}.{i}")
    elif is_dataclass(config):
        for part in fields(config):
            key = f"{where}.{part.name}" if where else part.name
            yield from unpriced(getattr(config, part.name), key)
