"""Does a model generate from the distribution that it is scored and trained by?

Generation runs a model token by token from its cache, scoring and training run whole sequences. For
some architectures and versions of transformers the two are different models: learning from what
such a one generates is learning from somebody else's answers. So both are compared once when a
model is loaded, on sampled continuations of two prompts of different lengths (padding included),
and a model that disagrees with itself is refused, as is one whose logits are no numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from selfplay.core.errors import ModelError
from selfplay.core.models.decoding import decode, pad_left
from selfplay.core.models.library import loading
from selfplay.core.types import Sampling

TOLERANCES = {torch.float32: 0.01, torch.float64: 0.01}
"""Nats a token, on average; rounding alone gives about 1e-5."""
HALF_TOLERANCE = 0.5
"""The same in 16 bits and quantised, where rounding gives some hundredths, more under routing."""
TOKENS, SAMPLES = 8, 2
_LENGTHS = (3, 7)
"""Tokens of the two prompts."""


def check_generation(module: Any, pad: int, name: str, context: int) -> None:
    """Compares log-probabilities of a few generated tokens with those of scoring them.

    Args:
        module: a causal language model in evaluation mode.
        pad: id of the padding token.
        name: the model's, for messages.
        context: most tokens of a sequence; one without room for a comparison is not compared.

    Raises:
        ModelError: they differ, are not finite, or the model cannot generate at all.
    """
    if context < max(_LENGTHS) + TOKENS:
        return
    rows = int(module.get_input_embeddings().weight.shape[0])
    prompts = [[(7 * place + length) % rows for place in range(length)] for length in _LENGTHS]
    remedy = "Take another architecture, or another version of transformers."
    with loading(f"The model {name} cannot generate", remedy), torch.no_grad():
        generated_RT, scored_RT = _both(module, prompts, pad)
    if not bool(torch.isfinite(generated_RT).all() and torch.isfinite(scored_RT).all()):
        raise ModelError(
            f"The logits of {name} are not finite. Load it with a wider dtype, or take an earlier "
            "version of it."
        )
    gap = float((generated_RT - scored_RT).abs().mean())
    tolerance = TOLERANCES.get(module.dtype, HALF_TOLERANCE)
    if gap > tolerance:
        raise ModelError(
            f"{name} ({type(module).__name__}) generates from another distribution than it is "
            f"scored by: its log-probabilities of the same tokens differ by {gap:.2g} nats on "
            f"average, where {tolerance:g} would be rounding. What is learned from its answers "
            f"would be wrong. {remedy}"
        )


def _both(module: Any, prompts: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities (R, T) of generated tokens: as they were drawn, and scored."""
    device = module.device
    count = len(prompts) * SAMPLES
    # Spread over the distribution, the same for every model; no generator is touched.
    steps_R, steps_T = torch.arange(count)[:, None], torch.arange(TOKENS)[None]
    uniforms_RT = ((steps_R * TOKENS + steps_T) * 0.6180339887 % 1.0).to(device)
    sampling = Sampling(n=SAMPLES, max_new_tokens=TOKENS)
    nothing = torch.tensor([-1], device=device)
    tokens_RT, generated_RT = decode(module, prompts, uniforms_RT, sampling, nothing, pad)
    whole = [[*prompts[row // SAMPLES], *tokens_RT[row].tolist()] for row in range(count)]
    ids, mask, positions = pad_left(whole, pad, device)
    logits_RLV = module(
        input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False
    ).logits
    logps_RTV = logits_RLV[:, -TOKENS - 1 : -1].float().log_softmax(-1)
    return generated_RT, logps_RTV.gather(-1, tokens_RT[..., None]).squeeze(-1)
