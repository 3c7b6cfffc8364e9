"""Replies of the rewriter, recorded in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from selfplay.core.errors import ModelError
from selfplay.core.models.scripted import ScriptedModel
from selfplay.core.seeding import Seed
from selfplay.core.types import Chat, Now, Response, Sampling, user
from selfplay.ledger import Ledger
from selfplay.stages.rewriting import RecordedRewriter

NOW = Now(2, 1, "judge")
SAMPLING = Sampling(n=1, max_new_tokens=50)


class Narrow(ScriptedModel):
    """Refuses a list in which a chat is too long, as a model in process does; counts its calls."""

    def __init__(self) -> None:
        super().__init__(lambda chat, sampling, index, rng: f"{chat[0].content}, once more")
        self.answered = 0

    def generate(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...]]:
        if any(len(chat[0].content) > 9 for chat in chats):
            raise ModelError("too long")
        self.answered += len(chats)
        return super().generate(chats, sampling, seed)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "ledger.db", {}, {})


def rewriter(model: Narrow, ledger: Ledger, chunk: int = 3) -> RecordedRewriter:
    return RecordedRewriter(model, ledger, NOW, "", chunk, [])


def chats(*texts: str) -> list[Chat]:
    return [user(text) for text in texts]


def test_a_chat_that_is_too_long_has_no_reply_and_the_others_are_asked_once(
    ledger: Ledger,
) -> None:
    model = Narrow()
    asked = chats("a", "b", "c", "d", "far too long", "e", "f")
    replies = rewriter(model, ledger).generate(asked, SAMPLING, Seed(0))
    assert [bool(reply) for reply in replies] == [True] * 4 + [False] + [True] * 2
    assert model.answered == 6
    assert ledger.group_count(2, "rewrite:0") == 7
    assert replies[5][0].text == "e, once more"


def test_what_is_recorded_is_read_back_and_not_asked_again(ledger: Ledger) -> None:
    asked = chats(*"abcdefg")
    whole = rewriter(Narrow(), ledger).generate(asked, SAMPLING, Seed(0))
    again = Narrow()
    repeated = rewriter(again, ledger).generate(asked, SAMPLING, Seed(0))
    assert again.answered == 0
    for one, other in zip(whole, repeated, strict=True):
        assert (one[0].text, one[0].finish_reason) == (other[0].text, other[0].finish_reason)
        np.testing.assert_array_equal(one[0].token_ids, other[0].token_ids)


def test_each_call_has_a_label_of_its_own(ledger: Ledger) -> None:
    model = rewriter(Narrow(), ledger)
    model.generate(chats("a"), SAMPLING, Seed(0))
    model.generate(chats("b", "c"), SAMPLING, Seed(0))
    assert (ledger.group_count(2, "rewrite:0"), ledger.group_count(2, "rewrite:1")) == (1, 2)
