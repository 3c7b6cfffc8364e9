"""The reward model: a trained sequence classifier scores each prompt with its response.

Any directory that `AutoModelForSequenceClassification` reads will do: the project's own reward
models (`solver.objective=rm`), or others, of which those with several labels name one as `head`.
`meta.config.FORMATS` says how a prompt and its response are put to it. Its scores have no bounds
unless they are squashed. A text that is too long for the model, and one that its template refuses,
has no verdict, with its reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch

from meta.judges.table import RewardModelOptions
from meta.rubrics.rubric import Rubric
from selfplay.core.errors import ConfigError, DataError, ModelError
from selfplay.core.models.classifier import load_classifier
from selfplay.core.models.library import library_errors
from selfplay.core.types import Group, Message, Prompt, Response, Verdict

Encoded: TypeAlias = dict[str, list[int]]
"""`input_ids`, and whatever else the tokenizer gives: one number for each token."""


class RewardModelJudge:
    """Rewards are the scores of one model."""

    name = "reward_model"

    def __init__(self, options: RewardModelOptions, rubric: Rubric | None = None) -> None:
        """Loads the model; the rubric is not used.

        Raises:
            ModelError: the directory cannot be used, or is no trained reward model.
            ConfigError: a head that the model does not have, or a format without its template.
        """
        self._options = options
        self._model = load_classifier(options.path, options.dtype, options.device)
        labels = self._model.module.config.num_labels
        if options.head >= labels:
            raise ConfigError(
                f"judge 'reward_model': expected a head below {labels}, the labels of "
                f"{self._model.name}, found {options.head}"
            )
        self._format = self._chosen_format()

    @property
    def scale(self) -> tuple[float, float]:
        """Without bounds, or [0, 1] for squashed rewards."""
        return (0.0, 1.0) if self._options.squash else (-math.inf, math.inf)

    @property
    def content(self) -> str:
        """Hash of the model's weights and configuration."""
        return self._model.content

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """Verdicts with the model's own score as `reward_model`."""
        encoded: dict[tuple[int, int], Encoded] = {}
        verdicts: dict[tuple[int, int], Verdict] = {}
        for p, group in enumerate(groups):
            for g, response in enumerate(group.responses):
                try:
                    encoded[p, g] = self._encoded(group.prompt, response)
                except DataError as error:
                    verdicts[p, g] = Verdict.missing(f"reward model: {error}")
        places = list(encoded)
        scores = self._scores([encoded[place] for place in places])
        verdicts |= {
            place: self._verdict(score) for place, score in zip(places, scores, strict=True)
        }
        return [
            tuple(verdicts[p, g] for g in range(len(group.responses)))
            for p, group in enumerate(groups)
        ]

    def _chosen_format(self) -> str:
        tokenizer, chosen = self._model.tokenizer, self._options.format
        templated = tokenizer.chat_template is not None
        if chosen == "auto":
            said = getattr(self._model.module.config, "reward_format", None)
            chosen = said or ("chat" if templated else "pair")
        if chosen in ("chat", "answer") and not templated:
            raise ConfigError(
                f"judge 'reward_model': the format '{chosen}' needs a chat template, and the "
                f"tokenizer of {self._model.name} has none. Choose `pair` or `plain`."
            )
        return str(chosen)

    def _encoded(self, prompt: Prompt, response: Response) -> Encoded:
        """The text as the model is shown it. Raises DataError where it cannot be."""
        try:
            encoded = self._tokens(prompt, response)
        except ModelError as error:
            raise DataError(f"its chat template refuses the prompt: {error}") from error
        length = len(encoded["input_ids"])
        if not 0 < length <= self._model.context:
            raise DataError(
                f"expected prompt and response within {self._model.context} tokens, found {length}"
            )
        if max(encoded["input_ids"]) >= self._model.vocabulary:
            raise DataError(
                f"expected tokens below {self._model.vocabulary}, which are those that the model "
                f"can embed, found {max(encoded['input_ids'])}"
            )
        return encoded

    def _tokens(self, prompt: Prompt, response: Response) -> Encoded:
        model = self._model
        if self._format in ("pair", "plain"):
            texts = (prompt.text, response.text)
            parts = texts if self._format == "pair" else ("\n\n".join(texts),)
            # Special tokens that a text spells out stay text; the model's own are put around it.
            with library_errors(f"{model.name} cannot read a text", "Take another reward model."):
                return dict(model.tokenizer(*parts, split_special_tokens=True))
        if self._format == "chat":
            answered = (*prompt.messages, Message("assistant", response.text))
            return _encoded(model.chat.conversation_ids(answered))
        (start,) = model.chat.prompt_ids([prompt.messages])
        closed = response.finish_reason != "length"
        return _encoded([*start, *model.chat.response_ids(response.text, closed)])

    def _scores(self, encoded: Sequence[Encoded]) -> list[float]:
        """The chosen label's number for each text, in order."""
        found: dict[int, float] = {}
        module, tokenizer = self._model.module, self._model.tokenizer
        for batch in self._batches(encoded):
            padded = tokenizer.pad([encoded[i] for i in batch], return_tensors="pt")
            with torch.no_grad():
                logits_BN = module(**padded.to(module.device)).logits
            found |= dict(zip(batch, logits_BN[:, self._options.head].tolist(), strict=True))
        return [found[i] for i in range(len(encoded))]

    def _batches(self, encoded: Sequence[Encoded]) -> Iterator[list[int]]:
        """Texts of like length together, within `batch_tokens`."""
        lengths = [len(one["input_ids"]) for one in encoded]
        batch: list[int] = []
        for i in sorted(range(len(encoded)), key=lambda i: (lengths[i], i)):
            if batch and (len(batch) + 1) * lengths[i] > self._options.batch_tokens:
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    def _verdict(self, score: float) -> Verdict:
        if not math.isfinite(score):
            return Verdict.missing(f"reward model: expected a finite score, found {score}")
        reward = (score - self._options.mean) / self._options.std
        if self._options.squash:
            reward = 0.5 * (1.0 + math.tanh(0.5 * reward))
        return Verdict(reward, scores={self.name: score})


def _encoded(ids: list[int]) -> Encoded:
    return {"input_ids": ids, "attention_mask": [1] * len(ids)}
