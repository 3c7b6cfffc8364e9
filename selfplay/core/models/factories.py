"""The models that a role may ask: the solver's own network, one apart, or a server's."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from selfplay.core.components import NoOptions
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.table import OwnModelOptions
from selfplay.core.text import TextModel

if TYPE_CHECKING:  # an HTTP client, which only those need who ask a server
    from selfplay.core.models.endpoint import EndpointModel


_FIRST: dict[Hashable, EndpointModel] = {}
"""By server and model, the first client of this game, with which the others keep one account."""


def new_accounts() -> None:
    """A game begins: what was spent, and which server was found dead before, counts no longer."""
    _FIRST.clear()


def policy(options: NoOptions, live: TextModel) -> TextModel:
    """The solver's network as it is now: the role shares it."""
    return live


def transformers(options: OwnModelOptions, live: TextModel) -> TextModel:
    """A model of its own in this process.

    Raises:
        ModelError: the model cannot be used.
    """
    from selfplay.core.models.pretrained import load_pretrained
    from selfplay.core.models.transformers_model import TransformersModel

    loaded = load_pretrained(options.path, options.dtype, options.device)
    loaded.module.requires_grad_(False)
    return TransformersModel(loaded)


def endpoint(options: EndpointOptions, live: TextModel) -> TextModel:
    """A model behind an OpenAI-compatible server.

    Raises:
        ConfigError: the environment variable that should hold the key is not set.
        DataError, ResourceError: the cache of replies cannot be used.
    """
    from selfplay.core.models.endpoint import EndpointModel

    model = EndpointModel(options)
    limits = (options.breaker, options.rest, options.max_money)
    key = (options.base_url, options.model, options.price_in, options.price_out, *limits)
    return model.accounting_with(_FIRST.setdefault(key, model))
