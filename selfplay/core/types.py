"""The words of the game as frozen data; roles meet in these types and in nothing else.

`docs/design.md` has the vocabulary. A *prompt* is asked n times and becomes a *group* of
*responses*; each response gets a *verdict*.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from selfplay.core.errors import require

if TYPE_CHECKING:  # NumPy takes longer to import than all that the commands need at start-up
    import numpy as np
    from numpy.typing import NDArray

Purpose: TypeAlias = Literal["train", "estimate", "evaluate", "baseline", "rewrite"]
"""A `baseline` group holds the one response that a prompt's rewards are calibrated against; the
prompt of a `rewrite` group asks the creator's rewriter for a child, and its responses are the
replies."""
FinishReason: TypeAlias = Literal["stop", "length", "recorded"]
Level: TypeAlias = int | float

GENERATED = "generated_tokens"
"""The metric that counts tokens generated for training, estimates and evolving: what a budget
limits."""


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


Chat: TypeAlias = tuple[Message, ...]


def user(text: str) -> Chat:
    """A plain string as a chat: one user message."""
    return (Message("user", text),)


@dataclass(frozen=True)
class Puzzle:
    """Which item of a procedural generator a prompt is: enough to rebuild its exact verifier."""

    generator: str
    """Name of the `reasoning-gym` dataset."""
    attributes: tuple[tuple[str, Level], ...]
    """Difficulty attributes and their levels, sorted by name."""
    index: int
    """Which item of that difficulty."""


@dataclass(frozen=True)
class Lineage:
    """Where a prompt comes from."""

    parents: tuple[str, ...] = ()
    """Ids of the prompts it was evolved from; empty for an original."""
    operator: str = "original"
    """Name of the evolution operator; or `original`, `heldout` or `imported` without one."""
    model: str = ""
    """Name of the model that wrote it; empty when code did."""
    seed: int = 0
    """The integer that its operator drew from."""
    round: int = 0
    policy_version: int = 0
    fingerprint: str = ""
    """Judging fingerprint at birth."""


@dataclass(frozen=True)
class Prompt:
    """What the solver is asked. Its id is its content, so an exact duplicate is the same prompt."""

    messages: Chat
    task: str = "default"
    answer: str | None = None
    """The gold answer, where there is one."""
    puzzle: Puzzle | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further columns of the user's file, kept for export."""
    lineage: Lineage = field(default_factory=Lineage)

    @cached_property
    def id(self) -> str:
        """16 hex digits of a hash over messages, task and gold answer: what the solver is asked."""
        content = [[[m.role, m.content] for m in self.messages], self.task, self.answer]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()

    @property
    def text(self) -> str:
        """The messages' contents, one after the other, for gates and for people."""
        return "\n".join(message.content for message in self.messages)

    @property
    def normalized(self) -> str:
        """The text without case and spacing, for telling whether two prompts ask the same."""
        return " ".join(self.text.casefold().split())


@dataclass(frozen=True, eq=False)
class Response:
    """One answer of a text model."""

    text: str
    token_ids: NDArray[np.int32]
    """Shape (T,): the sampled tokens, the end-of-sequence token included when it was sampled."""
    logprobs: NDArray[np.float32] | None
    """Shape (T,), nats: log-probability of each token under the distribution it was drawn from."""
    finish_reason: FinishReason

    @property
    def length(self) -> int:
        """Tokens."""
        return len(self.token_ids)


@dataclass(frozen=True)
class Verdict:
    """What a judge says of one response: a finite reward in its declared scale, or missing."""

    reward: float | None
    reason: str = ""
    """Why the reward is missing; empty when it is not."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Per-criterion scores."""
    violations: tuple[str, ...] = ()
    """Names of the constraints that the response breaks."""
    replies: tuple[str, ...] = field(default=(), compare=False)
    """What judging models wrote to come to it, word by word; no part of what it says, and read from
    a ledger only where it is asked for (`Ledger.with_replies`)."""

    def __post_init__(self) -> None:
        if self.reward is None and not self.reason:
            raise ValueError("a missing verdict needs its reason")
        if self.reward is not None and not math.isfinite(self.reward):
            raise ValueError(f"a reward is finite or missing, found {self.reward}")

    @classmethod
    def missing(cls, reason: str) -> Verdict:
        """A verdict that says only why there is none."""
        return cls(reward=None, reason=reason)


JUDGEMENT = "judgement/"
"""Before the number of a repeat: what it alone says, among the scores of a repeated verdict."""
WIN = "win/"
"""Before an opponent's position, or `reference`: the probability of being better than that one,
among the scores of a verdict that rests on comparisons."""


@dataclass(frozen=True)
class Comparison:
    """A pairwise judgement inside a group, by response position."""

    winner: int
    loser: int
    probability: float
    """P(winner is better), 0.5 being a tie."""
    judge: str


@dataclass(frozen=True, eq=False)
class Group:
    """A prompt with its n responses, and their verdicts once judged."""

    prompt: Prompt
    responses: tuple[Response, ...]
    purpose: Purpose
    policy_version: int
    verdicts: tuple[Verdict, ...] = ()
    """Empty until judged, then one for each response."""
    fingerprint: str = ""
    """Judging fingerprint: judges, their models, mixture, rubric versions."""

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Shape (n,): the rewards, NaN where missing."""
        import numpy as np

        rewards = [v.reward if v.reward is not None else math.nan for v in self.verdicts]
        return np.array(rewards, dtype=np.float64)

    def judged(self, verdicts: Sequence[Verdict], fingerprint: str) -> Group:
        """This group with its verdicts."""
        if len(verdicts) != len(self.responses):
            raise ValueError(f"{len(verdicts)} verdicts for {len(self.responses)} responses")
        return replace(self, verdicts=tuple(verdicts), fingerprint=fingerprint)

    def again(self, purpose: Purpose) -> Group:
        """The same responses, not judged yet, for another purpose."""
        return replace(self, purpose=purpose, verdicts=(), fingerprint="")


MOST_SAMPLES = 2**16
"""Responses to one prompt in one go: far more than any estimate gains from, and a slip beyond."""


@dataclass(frozen=True)
class Sampling:
    """How a text model samples."""

    n: int = 8
    """Samples per prompt; at most 65,536."""
    temperature: float = 1.0
    """0 means greedy."""
    top_p: float = 1.0
    """Draw from the likeliest tokens that together have this probability; 1: from all. What a
    policy gradient learns from is best drawn from all: nothing corrects it for what is cut off."""
    top_k: int = 0
    """Draw from this many of the likeliest tokens; 0: from all. As for `top_p`."""
    max_new_tokens: int = 256
    """Tokens after which a response is cut off."""

    def check(self, where: str) -> None:
        """Refuses impossible values; the configuration's loader calls it.

        Raises:
            ConfigError: a value outside its range.
        """
        require(1 <= self.n <= MOST_SAMPLES, f"{where}.n", f"1 to {MOST_SAMPLES}", self.n)
        require(self.temperature >= 0, f"{where}.temperature", "0 or more", self.temperature)
        require(0 < self.top_p <= 1, f"{where}.top_p", "above 0 and up to 1", self.top_p)
        require(self.top_k >= 0, f"{where}.top_k", "0 (all tokens) or more", self.top_k)
        require(
            self.max_new_tokens >= 1, f"{where}.max_new_tokens", "1 or more", self.max_new_tokens
        )

    @property
    def limit(self) -> int | None:
        """Tokens after which responses were cut off; None where nobody knows."""
        return self.max_new_tokens

    @property
    def greedy(self) -> bool:
        """Takes the most likely token always."""
        return self.temperature == 0.0


@dataclass(frozen=True)
class Estimate:
    """How informative a prompt is for the solver, and on what that rests."""

    prompt_id: str
    metric: str
    value: float
    """NaN when the metric cannot be computed from what was scored."""
    n: int
    """Scored responses it rests on."""
    round: int
    policy_version: int
    fingerprint: str


@dataclass(frozen=True)
class Rejection:
    """A child that was not admitted, and why."""

    operator: str
    parent: str
    reason: str


@dataclass(frozen=True)
class Composition:
    """The prompts of one round and how the creator came to them."""

    prompts: tuple[Prompt, ...]
    estimates: tuple[Estimate, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    """What the creator counts about this round, by name."""
    barren: str = ""
    """Why the round has no child though it was to have some; empty where it has, or was not to."""


@dataclass(frozen=True)
class Now:
    """The moment of the game that a stage works in; what is made then is stamped with it."""

    round: int
    policy_version: int
    fingerprint: str
    """Judging fingerprint in force."""
    alike: frozenset[str] = frozenset()
    """Further fingerprints in force, whose rewards are comparable: those of clusters of prompts."""


Probe: TypeAlias = Callable[[Sequence[Prompt], int], list[Group]]
"""`probe(prompts, n)`: n judged responses of the current policy to each prompt, not trained on."""
