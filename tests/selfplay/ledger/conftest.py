"""A ledger in a temporary directory, and groups to fill it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from selfplay.core.types import Group, Message, Prompt, Puzzle, Response, Verdict, user
from selfplay.ledger import Ledger

if TYPE_CHECKING:
    from numpy.typing import NDArray


def decode(batch: Sequence[NDArray[np.int32]]) -> list[str]:
    return ["".join(map(chr, ids.tolist())) for ids in batch]


def make_response(text: str) -> Response:
    token_ids = np.array([ord(character) for character in text], np.int32)
    return Response(text, token_ids, -np.arange(len(text), dtype=np.float32) / 7, "stop")


def make_group(index: int, *, judged: bool = True, n: int = 3) -> Group:
    prompt = Prompt(
        (Message("system", "be brief"), *user(f"reverse word {index}")),
        task="spell",
        answer=f"drow {index}",
        puzzle=Puzzle("spell_backward", (("length", 4), ("noise", 0.5)), index),
        extra={"zeta": [1, 2], "alpha": None},
    )
    responses = tuple(make_response(f"answer {index}.{k}") for k in range(n))
    group = Group(prompt, responses, "train", policy_version=2)
    return group.judged(make_verdicts(index, n), "judge-1") if judged else group


def make_verdicts(index: int, n: int = 3) -> list[Verdict]:
    whole = Verdict(index / 3, scores={"clarity": 0.1, "brevity": 1.0}, violations=("length",))
    return [whole, Verdict.missing("timed out"), *[Verdict(0.0)] * n][:n]


def assert_same_groups(found: Sequence[Group], expected: Sequence[Group]) -> None:
    """Groups compare by identity, since they hold arrays: compares what is in them."""
    assert len(found) == len(expected)
    for group, other in zip(found, expected, strict=True):
        assert (group.prompt, group.verdicts) == (other.prompt, other.verdicts)
        assert (group.purpose, group.policy_version) == (other.purpose, other.policy_version)
        assert group.fingerprint == other.fingerprint
        assert len(group.responses) == len(other.responses)
        for response, wanted in zip(group.responses, other.responses, strict=True):
            assert (response.text, response.finish_reason) == (wanted.text, wanted.finish_reason)
            np.testing.assert_array_equal(response.token_ids, wanted.token_ids, strict=True)
            if wanted.logprobs is None:
                assert response.logprobs is None
            else:
                np.testing.assert_array_equal(response.logprobs, wanted.logprobs, strict=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.create(path, {"seed": 1, "rounds": 3}, {"torch": "2"}) as created:
        created.decode = decode
        yield created


@pytest.fixture(scope="session")
def group() -> Callable[..., Group]:
    return make_group


@pytest.fixture
def verdicts() -> Callable[..., list[Verdict]]:
    return make_verdicts


@pytest.fixture
def response() -> Callable[[str], Response]:
    return make_response


@pytest.fixture
def same_groups() -> Callable[[Sequence[Group], Sequence[Group]], None]:
    return assert_same_groups


@pytest.fixture(scope="session")
def decoder() -> Callable[[Sequence[NDArray[np.int32]]], list[str]]:
    return decode
