"""Text model over a live transformers module, in process, shared with training.

Generation reads the weights that the trainer writes: there is no second copy and nothing to
synchronise. A chat is rendered and tokenised in one place, `prompt_ids`. Requests are sorted by
length, left-padded and cut into batches under a token budget, the samples of one prompt as well
where they alone exceed it; `decoding.py` has the loop. Left
out: several devices (see the Ray backend), continuous batching (slower than this on one device),
constrained decoding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from selfplay.core.errors import ModelError
from selfplay.core.models.decoding import decode, pad_left
from selfplay.core.models.pretrained import Pretrained, load_weights
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Response, Sampling

_LOGIT_VALUES = 1 << 28
"""Most logits that `logprobs` holds at once: 1 GiB in float32."""

_KNOWN_CHATS = 1 << 14
"""Chats whose token ids are kept; some rounds' worth."""


class TransformersModel:
    """`TextModel` over a `Pretrained`; training mode and gradients are left as they were."""

    def __init__(self, pretrained: Pretrained, max_batch_tokens: int = 65536) -> None:
        """Shares the module.

        Args:
            pretrained: the live module with its tokenizer.
            max_batch_tokens: most tokens (prompt, new and padding, all samples) in one batch; a
                single sample may be longer.
        """
        self._pretrained = pretrained
        self._max_batch_tokens = max_batch_tokens
        self._known_ids: dict[Chat, list[int]] = {}

    @property
    def name(self) -> str:
        """The pretrained model's name."""
        return self._pretrained.name

    def prompt_ids(self, chats: Sequence[Chat]) -> list[list[int]]:
        """Token ids of each chat under the model's template, up to where the answer begins.

        A chat is read when it is admitted, answered and learned from; its ids are kept for that.

        Raises:
            ModelError: the template refuses a chat, makes no tokens of it, or tokens that the model
                does not have.
            DataError: a message is no text.
        """
        fresh = [chat for chat in dict.fromkeys(chats) if chat not in self._known_ids]
        if len(self._known_ids) + len(fresh) > _KNOWN_CHATS:
            self._known_ids.clear()
            fresh = list(dict.fromkeys(chats))
        self._known_ids.update(zip(fresh, self._tokenize(fresh), strict=True))
        return [self._known_ids[chat] for chat in chats]

    def _tokenize(self, chats: Sequence[Chat]) -> list[list[int]]:
        ids = self._pretrained.chat.prompt_ids(chats)
        rows = int(self._pretrained.module.get_input_embeddings().weight.shape[0])
        unknown = {token for one in ids for token in one if token >= rows}
        if unknown:
            names = self._pretrained.tokenizer.convert_ids_to_tokens(sorted(unknown))
            raise ModelError(
                f"The chat template of {self.name} writes tokens that the model, which has {rows}, "
                f"cannot embed: {', '.join(names[:3])}. Take the tokenizer and template that it "
                "was trained with."
            )
        return ids

    @property
    def end_of_turn(self) -> int:
        """The token that closes a response."""
        return self._pretrained.chat.end_of_turn

    def decode(self, token_ids: Sequence[Sequence[int] | NDArray[np.int32]]) -> list[str]:
        """The text of each response, without special tokens and without what closes it."""
        return self._pretrained.chat.decode(token_ids)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens; see `ChatTokenizer.encode`."""
        return self._pretrained.chat.encode(texts)

    def response_ids(self, text: str, closed: bool = True) -> list[int]:
        """Token ids of a response known as text; see `ChatTokenizer.response_ids`."""
        return self._pretrained.chat.response_ids(text, closed)

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        """`sampling.n` responses for each chat, in the order of `chats`.

        The samples of a chat depend on the weights, its tokens, `sampling`, `seed` and how many
        equal chats come before it; on the other chats only through the rounding of batched
        kernels. Log-probabilities are those of the distribution that was drawn from, after
        temperature, top-k and top-p: at temperature 1 without filters the policy's own. Greedy
        responses have the policy's own at temperature 1.

        Raises:
            ModelError: a chat does not fit the context, the template refuses it, or the model's
                logits are no numbers.
        """
        prompts = self.prompt_ids(chats)
        for chat, prompt in zip(chats, prompts, strict=True):
            self._check_length(chat, len(prompt), sampling.max_new_tokens)
        keys = _occurrences(prompts)
        results: list[tuple[Response, ...]] = [()] * len(prompts)
        with self._evaluating():
            for batch in self._batches(prompts, sampling):
                draws = [_draws(seed, prompts[i], keys[i]) for i in batch]
                asked = [prompts[i] for i in batch]
                for some in self._portions(asked, sampling):
                    shape = some.n, some.max_new_tokens
                    uniforms = [drawn.random(shape, dtype=np.float32) for drawn in draws]
                    responses = self._respond(asked, uniforms, some)
                    for place, index in enumerate(batch):
                        start = place * some.n
                        results[index] += tuple(responses[start : start + some.n])
        return results

    def logprobs(
        self, chats: Sequence[Chat], responses: Sequence[Response]
    ) -> list[NDArray[np.float32]]:
        """Log-probability (nats, temperature 1) of every token of `responses[i]`: shape (T_i,).

        Raises:
            ModelError: a chat with its response does not fit the context, or the model's logits
                are no numbers.
        """
        prompts = self.prompt_ids(chats)
        answers = [response.token_ids.tolist() for response in responses]
        for chat, prompt, answer in zip(chats, prompts, answers, strict=True):
            self._check_length(chat, len(prompt), len(answer))
        results = [np.zeros(0, np.float32)] * len(answers)
        order = sorted(range(len(answers)), key=lambda i: (len(answers[i]), len(prompts[i])))
        with self._evaluating():
            for batch in self._scoring_batches(order, prompts, answers):
                scored = self._score([prompts[i] for i in batch], [answers[i] for i in batch])
                for index, logps in zip(batch, scored, strict=True):
                    results[index] = logps
        return results

    def load(self, weights: Path) -> None:
        """Replaces the shared module's weights in place.

        Raises:
            ModelError: the directory cannot be used, or holds another architecture.
        """
        load_weights(self._pretrained.module, weights)

    def _respond(
        self, prompts: list[list[int]], uniforms: list[NDArray[np.float32]], sampling: Sampling
    ) -> list[Response]:
        module, tokenizer = self._pretrained.module, self._pretrained.tokenizer
        stops = self._stop_ids()
        tokens, logps = decode(
            module,
            prompts,
            torch.from_numpy(np.concatenate(uniforms)).to(module.device),
            sampling,
            torch.tensor(stops, device=module.device),
            tokenizer.pad_token_id,
        )
        tokens_RT = tokens.cpu().numpy().astype(np.int32)
        logps_RT = logps.cpu().numpy()
        rows = [_until_stop(row, stops) for row in tokens_RT]
        self._check_finite(
            [logps_T[: len(row)] for row, logps_T in zip(rows, logps_RT, strict=True)]
        )
        return [
            Response(
                text,
                ids,
                logps_T[: len(ids)].copy(),
                finish_reason="stop" if ids[-1] in stops else "length",
            )
            for text, ids, logps_T in zip(self.decode(rows), rows, logps_RT, strict=True)
        ]

    def _score(
        self, prompts: list[list[int]], answers: list[list[int]]
    ) -> list[NDArray[np.float32]]:
        """Sequences end together under left padding, so one slice holds all answers' logits."""
        longest = max(map(len, answers))
        if longest == 0:
            return [np.zeros(0, np.float32)] * len(answers)
        module, pad = self._pretrained.module, self._pretrained.tokenizer.pad_token_id
        whole = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
        ids, mask, positions = pad_left(whole, pad, module.device)
        output = module(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=longest + 1,
        )
        logits_BTV = output.logits[:, -longest - 1 : -1].float()
        targets_BT1 = ids[:, -longest:, None]
        logps_BT = logits_BTV.gather(-1, targets_BT1).squeeze(-1) - logits_BTV.logsumexp(-1)
        rows = logps_BT.cpu().numpy()
        found = [row[longest - len(a) :].copy() for row, a in zip(rows, answers, strict=True)]
        self._check_finite(found)
        return found

    def _batches(self, prompts: list[list[int]], sampling: Sampling) -> Iterator[list[int]]:
        """Indices of prompts of like length; sorted by content, so that input order is nothing."""
        order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), prompts[i]))
        batch: list[int] = []
        for index in order:
            if batch and (len(batch) + 1) * sampling.n > self._most_rows(prompts[index], sampling):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def _portions(self, prompts: list[list[int]], sampling: Sampling) -> Iterator[Sampling]:
        """The samples of a batch in turn: all at once, or of a single prompt as many as fit."""
        most = max(1, self._most_rows(prompts[-1], sampling) // len(prompts))
        for start in range(0, sampling.n, most):
            yield replace(sampling, n=min(most, sampling.n - start))

    def _most_rows(self, longest: list[int], sampling: Sampling) -> int:
        """How many samples of a prompt, or of shorter ones, are generated side by side."""
        return self._max_batch_tokens // (len(longest) + sampling.max_new_tokens)

    def _scoring_batches(
        self, order: list[int], prompts: list[list[int]], answers: list[list[int]]
    ) -> Iterator[list[int]]:
        vocabulary = self._pretrained.module.config.get_text_config().vocab_size
        batch: list[int] = []
        width = 0
        for index in order:
            rows = len(batch) + 1
            width = max(width, len(prompts[index]) + len(answers[index]))
            logits = rows * (len(answers[index]) + 1) * vocabulary
            if batch and (rows * width > self._max_batch_tokens or logits > _LOGIT_VALUES):
                yield batch
                batch, width = [], len(prompts[index]) + len(answers[index])
            batch.append(index)
        if batch:
            yield batch

    def _stop_ids(self) -> list[int]:
        return self._pretrained.stops

    def _check_finite(self, logps: Sequence[NDArray[np.float32]]) -> None:
        """A token may be impossible (-inf); what is no number comes of a broken model."""
        if any(np.isnan(row).any() for row in logps):
            raise ModelError(
                f"The logits of {self.name} are not numbers. It diverged in training or overflows "
                "in its dtype: go back to an earlier version, lower the learning rate, or load it "
                "with a wider dtype."
            )

    def _check_length(self, chat: Chat, prompt: int, response: int) -> None:
        context = self._pretrained.context
        if prompt + response > context:
            beginning = chat[0].content[:60] if chat else ""
            raise ModelError(
                f"Expected prompt and response within {self.name}'s context of {context} tokens, "
                f"found {prompt} for the prompt and {response} for the response, for the prompt "
                f"that begins '{beginning}'. Lower `max_new_tokens`, drop long prompts, or take a "
                "model with a longer context."
            )

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients, undone exactly.

        Not `inference_mode`: buffers that a module caches in it could not be used in training.
        """
        training = [m for m in self._pretrained.module.modules() if m.training]
        self._pretrained.module.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module in training:
                module.training = True


def _occurrences(prompts: list[list[int]]) -> list[int]:
    """How many equal prompts come before each, so that duplicates draw differently."""
    seen: Counter[tuple[int, ...]] = Counter()
    result = []
    for prompt in prompts:
        key = tuple(prompt)
        result.append(seen[key])
        seen[key] += 1
    return result


def _draws(seed: Seed, prompt: list[int], occurrence: int) -> np.random.Generator:
    """Of the numbers that a prompt's samples are drawn with, named by its content."""
    return seed.at("tokens", *prompt, "occurrence", occurrence).numpy()


def _until_stop(tokens_T: NDArray[np.int32], stops: list[int]) -> NDArray[np.int32]:
    """The tokens up to and including the first stop token, as an array of their own."""
    ends = np.flatnonzero(np.isin(tokens_T, stops))
    return tokens_T[: ends[0] + 1 if len(ends) else None].copy()
