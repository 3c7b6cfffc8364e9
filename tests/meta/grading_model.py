"""A model in process whose judgements are well-formed, which a random model's are not."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.core.models.pretrained import load_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Response, Sampling


@dataclass(frozen=True)
class GraderOptions:
    path: str = ""


class Grader(TransformersModel):
    """Judges by a word of the response; prefers the judgement with the lower number.

    Its tokenizer and its way of being built are the real ones.
    """

    Options = GraderOptions

    def __init__(self, options: GraderOptions, live: Any = None) -> None:
        super().__init__(load_pretrained(options.path, device="cpu"))
        self.compared = 0

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        return [
            tuple(
                Response(judgement(chat, i, score), np.array([1], np.int32), None, "stop")
                for i, score in zip(range(sampling.n), scores(chat[-1].content), strict=True)
            )
            for chat in chats
        ]

    def logprobs(
        self, chats: Sequence[Chat], responses: Sequence[Response]
    ) -> list[NDArray[np.float32]]:
        """The first place is favoured."""
        self.compared += len(set(chats))
        found = []
        for chat, response in zip(chats, responses, strict=True):
            first, second = map(int, re.findall(r"reason (\d)", chat[-1].content))
            p = 0.95 if first < second else 0.45
            found.append(np.log([p if response.text == "1" else 1 - p]).astype(np.float32))
        return found


def scores(shown: str) -> Sequence[object]:
    """Judgements of "steady" agree, those of "disputed" do not, "broken" has none;
    "perfect" and "flawless" have the highest."""
    if "\nperfect\n" in shown or "\nflawless\n" in shown:
        return [5, 5, 5]
    if "\nbroken\n" in shown:
        return ["x", "x", "x"]
    return [5, 0, 2] if "\ndisputed\n" in shown else [4, 4, 4]


def judgement(chat: Chat, index: int, score: object) -> str:
    code = re.search(r"carry the code (\w+)\.", chat[-1].content)
    assert code
    criteria = {"clear": {"rationale": f"reason {index}", "score": score}}
    return json.dumps({"code": code[1], "criteria": criteria})
