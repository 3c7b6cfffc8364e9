"""The operator behind every instruction: ask a text model to rewrite, read its replies strictly.

All parents are asked at once. A child carries its parents, the model's name, the seed and the label
of its instruction. Unless the instruction keeps what is asked for, the child has no gold answer,
and of the parent's further columns only those that the options name: a solution of the parent is
none of its child. A child that keeps a gold answer is turned down where what the answer rests on
has changed (`creator.operators.kept`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from creator.gates.context import HasRewriter
from creator.operators.instruction import TAGS, Instruction, shown_text
from creator.operators.kept import answer_at_risk
from creator.operators.puzzles import Child
from creator.operators.reply import read_reply
from creator.operators.table import RewriteOptions
from selfplay.core.errors import ModelError
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import Chat, Lineage, Message, Prompt, Response, Sampling

LABEL = "rewriting"
"""The column of a child that says under which instruction it was written."""

NO_REPLY = "no reply"
NO_USER_TURN = "the prompt does not end with a user's turn"
NO_PARTNER = "no second parent"
MARKERS = "the prompt holds the markers of a reply"


@dataclass(frozen=True)
class Request:
    """What the model is asked, about which prompts."""

    chat: Chat
    parents: tuple[Prompt, ...]

    @property
    def texts(self) -> list[str]:
        """The turns that are to be rewritten, as they are shown."""
        return [shown_text(parent) for parent in self.parents]


class Rewriter:
    """`Operator` that has a text model rewrite prompts."""

    def __init__(
        self, options: RewriteOptions, surroundings: HasRewriter, instruction: Instruction
    ) -> None:
        self._options, self._surroundings = options, surroundings
        self._instruction = instruction
        self._sampling = Sampling(
            n=options.replies,
            temperature=options.temperature,
            top_p=options.top_p,
            max_new_tokens=options.max_new_tokens,
        )

    def evolve(self, parents: Sequence[Prompt], seed: Seed) -> list[Child]:
        """A child, or a reason, for each parent.

        Raises:
            EndpointError: the model's server answers nothing at all.
        """
        rng = Random(seed.integer())
        others = [*self._surroundings.parents] or parents
        requests = [self._request(parent, others, rng) for parent in parents]
        asked = [request.chat for request in requests if isinstance(request, Request)]
        model, drawn = self._surroundings.rewriter, seed.at("replies")
        replies = iter(replies_of(model, asked, self._sampling, drawn))
        return [
            self._child(request, next(replies), seed.integer())
            if isinstance(request, Request)
            else request
            for request in requests
        ]

    def _request(self, parent: Prompt, others: Sequence[Prompt], rng: Random) -> Request | str:
        """What to ask about a parent, or why it cannot be rewritten."""
        chosen = [parent]
        if self._instruction.parents > 1:
            usable = [p for p in others if p.id != parent.id and not _unfit(p)]
            if not usable:
                return NO_PARTNER
            chosen.append(rng.choice(usable))
        details = self._instruction.details
        detail = rng.choice(details) if details else ""
        return _unfit(parent) or Request(self._instruction.request(chosen, detail), tuple(chosen))

    def _child(self, request: Request, replies: Sequence[Response], drawn: int) -> Child:
        """The first reply's prompt that can be used, or what is wrong with the first reply."""
        readings = [read_reply(reply, request.texts) for reply in replies]
        prompt = next((reading.prompt for reading in readings if reading.prompt), "")
        if not prompt:
            return readings[0].reason if readings else NO_REPLY
        ids = tuple(parent.id for parent in request.parents)
        lineage = Lineage(parents=ids, model=self._surroundings.rewriter.name, seed=drawn)
        return self._born(request.parents[0], prompt, lineage)

    def _born(self, parent: Prompt, text: str, lineage: Lineage) -> Child:
        messages = (*parent.messages[:-1], Message("user", text))
        label = {LABEL: self._instruction.label}
        if self._instruction.keeps_answer:
            asked = parent.messages[-1].content
            if parent.answer is not None and (change := answer_at_risk(asked, text)):
                return change
            return replace(
                parent, messages=messages, extra={**parent.extra, **label}, lineage=lineage
            )
        kept = {name: parent.extra[name] for name in self._options.columns if name in parent.extra}
        return Prompt(messages, task=parent.task, extra={**kept, **label}, lineage=lineage)


def replies_of(
    model: TextModel, chats: Sequence[Chat], sampling: Sampling, seed: Seed
) -> list[tuple[Response, ...]]:
    """The model's replies; `()` for a chat that it cannot be asked, such as one too long.

    A model in process refuses the whole list for one such chat, which halving finds.
    """
    if not chats:
        return []
    try:
        return model.generate(chats, sampling, seed)
    except ModelError:
        if len(chats) == 1:
            return [()]
    half = len(chats) // 2
    first = replies_of(model, chats[:half], sampling, seed.at("first"))
    return first + replies_of(model, chats[half:], sampling, seed.at("second"))


def _unfit(prompt: Prompt) -> str:
    """Why a prompt cannot be shown to a rewriting model; empty where it can."""
    if not prompt.messages or prompt.messages[-1].role != "user":
        return NO_USER_TURN
    return MARKERS if any(tag in prompt.text for tag in TAGS) else ""
