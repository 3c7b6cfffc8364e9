"""Judges: what gives a response its reward."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from meta.rubric import Rubric
from selfplay.core.types import Group, Verdict


class Judge(Protocol):
    """Judges take whole groups, so pairwise and listwise judging fit behind the same call.

    A judge whose rewards depend on more than its options and its rubric, such as a model's weights,
    has an attribute `content`: a hash of that.

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


def judging_fingerprint(name: str, options: Any, rubric: Rubric | None, content: str = "") -> str:
    """12 hex digits of a hash over a judge's name, its options (a dataclass) and its rubric.

    Rewards under different fingerprints are never compared.

    Args:
        name: of the judge.
        options: a dataclass.
        rubric: the one in force.
        content: the judge's own `content`, where it has one.
    """
    parts = [name, asdict(options), rubric and rubric.fingerprint]
    return fingerprint_of([*parts, content] if content else parts)


def fingerprint_of(content: Any) -> str:
    """12 hex digits of a hash over plain data."""
    encoded = json.dumps(content, sort_keys=True, default=str).encode()
    return hashlib.blake2b(encoded, digest_size=6).hexdigest()
