"""Judges: what gives a response its reward."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

from selfplay.core.types import Group, Prompt, Verdict


class Named(Protocol):
    """A rubric, or rubrics by cluster."""

    @property
    def fingerprint(self) -> str:
        """12 hex digits."""


class Judge(Protocol):
    """Judges take whole groups, so pairwise and listwise judging fit behind the same call.

    A judge whose rewards depend on more than its options and its rubric, such as a model's weights,
    has an attribute `content`: a hash of that.

    A judge whose rewards depend on the rubric has an attribute `reads_rubric` that is true.

    A judge whose verdicts cost time or money, such as a language model's, has an attribute `costs`
    that is true: what it says is recorded as it is said.

    A judge that can say nothing of some prompts, such as a verifier of those without a right
    answer, has a method `covers(prompt)`.

    A judge that may ask the live policy has a method `meet(live)`, which a run calls with the
    policy's text model before anything is judged.
    """

    @property
    def name(self) -> str:
        """How fingerprints and reports call it."""

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest reward it gives."""

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        """One verdict for each response, in the order of `groups` and of their responses.

        A response that cannot be judged has a missing verdict with its reason, never a low reward.
        A judge that draws makes its draws depend on `repeat`: the judging is one of several.
        """


def costs(judge: Judge) -> bool:
    """Whether the judge's verdicts cost time or money."""
    return bool(getattr(judge, "costs", False))


def covers(judge: Judge, prompt: Prompt) -> bool:
    """Whether the judge can score responses to the prompt at all."""
    return bool(judge.covers(prompt)) if hasattr(judge, "covers") else True


def judging_fingerprint(name: str, options: Any, rubric: Named | None, content: str = "") -> str:
    """12 hex digits of a hash over a judge's name, its options (a dataclass) and its rubric.

    Rewards under different fingerprints are never compared. Fields of options, at any depth, with
    `metadata={"judging": False}` change no verdict and are left out: a server's time-outs, prices.

    Args:
        name: of the judge.
        options: a dataclass.
        rubric: the one in force.
        content: the judge's own `content`, where it has one.
    """
    parts = [name, _judging(options), rubric and rubric.fingerprint]
    return fingerprint_of([*parts, content] if content else parts)


def _judging(value: Any) -> Any:
    """Plain data of what verdicts depend on."""
    if is_dataclass(value):
        kept = [f.name for f in fields(value) if f.metadata.get("judging", True)]
        return {name: _judging(getattr(value, name)) for name in kept}
    if isinstance(value, Mapping):
        return {key: _judging(item) for key, item in value.items()}
    return [_judging(item) for item in value] if isinstance(value, list | tuple) else value


def fingerprint_of(content: Any) -> str:
    """12 hex digits of a hash over plain data."""
    encoded = json.dumps(content, sort_keys=True, default=str).encode()
    return hashlib.blake2b(encoded, digest_size=6).hexdigest()
