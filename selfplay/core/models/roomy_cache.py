"""A key-value cache that keeps room for the tokens to come.

transformers' `DynamicLayer` copies the whole cache at every token. Here keys and values are views
of larger buffers, a step writes its own column, and the buffers grow now and then. Layers of other
kinds (sliding windows, linear attention) stay transformers' own.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_ROOM = 32
"""Tokens by which a full buffer grows."""


def roomy_cache(config: Any) -> DynamicCache:
    """An empty cache for a model of this configuration."""
    cache = DynamicCache(config=config)
    for place, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            cache.layers[place] = RoomyLayer()  # type: ignore[no-untyped-call]
    return cache


class RoomyLayer(DynamicLayer):
    """One attention layer's keys and values, (B, H, L, D) each."""

    keys: Tensor
    values: Tensor
    _key_buffer: Tensor
    _value_buffer: Tensor

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Appends keys and values (B, H, S, D), and returns all of them."""
        if not self.is_initialized:
            self.dtype, self.device = key_states.dtype, key_states.device
            self.is_initialized = True
            self.keys = self._key_buffer = key_states
            self.values = self._value_buffer = value_states
            return self.keys, self.values
        old = self.keys.shape[-2]
        new = old + key_states.shape[-2]
        if new > self._key_buffer.shape[-2]:
            self._reserve(new + _ROOM)
        self._key_buffer[:, :, old:new] = key_states
        self._value_buffer[:, :, old:new] = value_states
        self.keys = self._key_buffer[:, :, :new]
        self.values = self._value_buffer[:, :, :new]
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Makes row i what row `beam_idx[i]` was; rows may repeat or go."""
        self.keys, self.values = self.keys[beam_idx], self.values[beam_idx]
        self._reserve(self.keys.shape[-2] + _ROOM)

    def _reserve(self, capacity: int) -> None:
        length = self.keys.shape[-2]
        self._key_buffer = _with_room(self.keys, capacity)
        self._value_buffer = _with_room(self.values, capacity)
        self.keys = self._key_buffer[:, :, :length]
        self.values = self._value_buffer[:, :, :length]


def _with_room(states: Tensor, capacity: int) -> Tensor:
    """A buffer of `capacity` tokens that begins with `states`; the rest is not set."""
    batch, heads, length, width = states.shape
    buffer = states.new_empty((batch, heads, capacity, width))
    buffer[:, :, :length] = states
    return buffer
