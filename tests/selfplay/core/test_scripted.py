"""Claims about the scripted text model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selfplay.core.errors import ModelError
from selfplay.core.models.scripted import ScriptedModel
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import Chat, Sampling, user


def draw_a_number(chat: Chat, sampling: Sampling, index: int, rng: np.random.Generator) -> str:
    return f"{chat[-1].content}/{index}/{rng.integers(10**9)}"


def texts(model: TextModel, chats: list[Chat], sampling: Sampling, seed: Seed) -> list[list[str]]:
    return [[r.text for r in group] for group in model.generate(chats, sampling, seed)]


def test_the_function_gets_chat_and_index_and_its_text_comes_back() -> None:
    model = ScriptedModel(draw_a_number)
    (group,) = texts(model, [user("hi")], Sampling(n=3), Seed(1))
    assert [text.rsplit("/", 1)[0] for text in group] == ["hi/0", "hi/1", "hi/2"]


def test_the_result_follows_from_the_seed_and_not_from_the_order_of_chats() -> None:
    model = ScriptedModel(draw_a_number)
    there = texts(model, [user("a"), user("b")], Sampling(n=2), Seed(1))
    back = texts(model, [user("b"), user("a")], Sampling(n=2), Seed(1))
    assert there == back[::-1]
    assert there != texts(model, [user("a"), user("b")], Sampling(n=2), Seed(2))


def test_equal_chats_draw_differently() -> None:
    first, second = texts(ScriptedModel(draw_a_number), [user("a")] * 2, Sampling(n=1), Seed(1))
    assert first != second


def test_tokens_are_bytes_and_a_cut_response_says_so() -> None:
    model = ScriptedModel(lambda chat, sampling, index, rng: "añb")
    (whole,) = model.generate([user("x")], Sampling(n=1), Seed(0))[0]
    (cut,) = model.generate([user("x")], Sampling(n=1, max_new_tokens=2), Seed(0))[0]
    assert bytes(whole.token_ids.tolist()).decode() == "añb"
    assert (whole.finish_reason, whole.logprobs) == ("stop", None)
    assert (cut.text, cut.length, cut.finish_reason) == ("a", 2, "length")


def test_asking_for_log_probabilities_says_that_there_are_none(tmp_path: Path) -> None:
    model = ScriptedModel(draw_a_number, name="rules")
    model.load(tmp_path)
    with pytest.raises(ModelError, match="'rules', which has none"):
        model.logprobs([user("x")], model.generate([user("x")], Sampling(n=1), Seed(0))[0])
