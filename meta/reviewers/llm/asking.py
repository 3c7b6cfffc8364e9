"""Asking a reviewing model within a budget of tokens, sending back what cannot be used.

Before anything is asked it is estimated what it may take at most: the prompt's tokens, which are
never more than its bytes and are counted where the model can tell, and the longest reply. What
might exceed the budget is not asked. Since that is far above what a server then bills,
questions go out in waves: what a wave has left over is there for the next. What later steps are
likely to need, by what the earlier ones took of their estimates, is kept for them, and a step's
repairs come last.

A server is asked for replies of a JSON schema. One that refuses that is asked without
(`selfplay.core.models.dialect`); the reading is as strict in either case.

Left out: what a server bills for attempts that brought no answer, which it does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from meta.judges.llm.asking import replies_of
from meta.judges.llm.quoting import disarmed
from meta.reviewers.llm.replies import Fault
from meta.reviewers.table import LLMOptions
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import Chat, Message, Response, Sampling

Read = TypeVar("Read")

TEMPLATE = 64
"""Tokens that a chat template may add to a message."""
BYTES_PER_TOKEN = 4
"""Of text that is yet to be written, about."""
_CAUTION = 1.25
"""How much more than so far the later steps are expected to take of what they may."""
OVER_BUDGET = "the budget of tokens would not have sufficed"

_AGAIN = """\
That reply cannot be used: {reason}. Reply to the request above once more, with one JSON object \
and nothing else, in the form that it asks for."""
_SHOWN = 400
"""Characters of a reason that are sent back."""
_NOTHING = "(nothing)"


@dataclass(frozen=True)
class Question(Generic[Read]):
    """A request, and how its reply is read."""

    chat: Chat
    read: Callable[[Response], Read | Fault]

    def again(self, reply: str, reason: str) -> Question[Read]:
        """The request with a reply that cannot be used, and why."""
        said = Message("assistant", disarmed(reply) if reply.strip() else _NOTHING)
        told = Message("user", _AGAIN.format(reason=disarmed(reason[:_SHOWN])))
        return Question((*self.chat, said, told), self.read)


class Later(NamedTuple):
    """Tokens of the steps that are still to come."""

    most: int = 0
    """What all of their requests may take."""
    least: int = 0
    """What one request has to have at its disposal, or the review comes to nothing."""


Reserve: TypeAlias = Callable[[int], Later]
"""What is still to come when so many questions have been asked."""


def _constant(later: Later) -> Reserve:
    return lambda asked: later


NOTHING_LATER = _constant(Later())


class Asking:
    """A model as one review asks it; `spent` counts its tokens."""

    def __init__(self, model: TextModel, options: LLMOptions, seed: Seed) -> None:
        self.spent = 0
        self.unusable = 0
        """Replies that could not be used."""
        self._estimated = 0
        """What everything that was asked might have taken."""
        self._model: Any = model
        self._options, self._seed = options, seed
        self._sampling = Sampling(
            n=1, temperature=options.temperature, max_new_tokens=options.max_new_tokens
        )
        self._structured = options.structured and hasattr(model, "replying_as")

    @property
    def left(self) -> int:
        """Tokens."""
        return self._options.max_tokens - self.spent

    @property
    def quoted(self) -> int:
        """What a reply takes, at most about, when it is shown again."""
        exact = hasattr(self._model, "encode")
        return self._options.max_new_tokens * (1 if exact else BYTES_PER_TOKEN)

    def cost(self, chat: Chat) -> int:
        """Tokens that asking this may take at most."""
        return self._size(chat) + TEMPLATE * len(chat) + self._options.max_new_tokens

    def ask(
        self,
        step: str,
        questions: Sequence[Question[Read]],
        form: Mapping[str, Any],
        reserve: Reserve = NOTHING_LATER,
    ) -> list[Read | Fault]:
        """What is read of the replies, in order.

        Args:
            step: its name, for the draws.
            questions: what to ask.
            form: the JSON schema of the replies.
            reserve: kept for the later steps.

        Raises:
            EndpointError: the model's server fails or refuses everything.
            PausedError: the model's `max_money` is spent.
        """
        found = self._waves(self._seed.at(step, 0), questions, form, reserve)
        for attempt in range(1, self._options.repairs + 1):
            places, again = [], []
            for place, outcome in enumerate(found):
                if isinstance(outcome, Fault) and outcome.reply is not None:
                    places.append(place)
                    again.append(questions[place].again(outcome.reply, outcome.reason))
            later = reserve(len(found))
            repaired = self._waves(self._seed.at(step, attempt), again, form, _constant(later))
            for place, outcome in zip(places, repaired, strict=True):
                if not isinstance(outcome, Fault) or outcome.reply is not None:
                    found[place] = outcome
        return found

    def _waves(
        self,
        seed: Seed,
        questions: Sequence[Question[Read]],
        form: Mapping[str, Any],
        reserve: Reserve,
    ) -> list[Read | Fault]:
        """As `ask`, without repairs."""
        found: list[Read | Fault] = []
        while len(found) < len(questions):
            rest = questions[len(found) :]
            count = self._affordable([question.chat for question in rest], len(found), reserve)
            if not count:
                return found + [Fault(OVER_BUDGET)] * len(rest)
            replies = self._replies([question.chat for question in rest[:count]], form, seed)
            found += [
                Fault(reply) if isinstance(reply, str) else question.read(reply)
                for question, reply in zip(rest, replies, strict=False)
            ]
        self.unusable += sum(isinstance(o, Fault) and o.reply is not None for o in found)
        return found

    def _affordable(self, chats: Sequence[Chat], before: int, reserve: Reserve) -> int:
        """How many of the chats can be asked at once."""
        needed, count = 0, 0
        for i, chat in enumerate(chats, 1):
            needed += self.cost(chat)
            if needed > self.left:
                break
            if needed + self._kept(reserve(before + i)) <= self.left:
                count = i
        return count

    def _kept(self, later: Later) -> int:
        """Tokens that are kept for later requests."""
        share = min(_CAUTION * self.spent / self._estimated, 1.0) if self._estimated else 1.0
        return max(ceil(share * later.most), later.least)

    def _replies(
        self, chats: Sequence[Chat], form: Mapping[str, Any], seed: Seed
    ) -> list[Response | str]:
        """A reply to each chat, or why there is none."""
        model = self._model.replying_as(form) if self._structured else self._model
        return self._generate(model, chats, seed)

    def _generate(
        self, model: TextModel, chats: Sequence[Chat], seed: Seed
    ) -> list[Response | str]:
        before, answered = self._billed(), 0
        self._estimated += sum(map(self.cost, chats))
        try:
            found = replies_of(model, chats, self._sampling, seed)
            replies = [reply if isinstance(reply, str) else reply[0] for reply in found]
            answered = sum(
                self._size(chat) + reply.length
                for chat, reply in zip(chats, replies, strict=True)
                if isinstance(reply, Response)
            )
        finally:
            # A server that says nothing of some answers' tokens has them counted from the texts.
            tokens, unmetered = self._billed()
            metered = hasattr(self._model, "usage") and unmetered == before[1]
            billed = tokens - before[0]
            self.spent += billed if metered else max(billed, answered)
        return replies

    def _billed(self) -> tuple[int, int]:
        """Tokens that the model's server has told of so far, and answers without."""
        usage = getattr(self._model, "usage", None)
        if usage is None:
            return 0, 0
        return usage.prompt_tokens + usage.completion_tokens, usage.unmetered

    def _size(self, chat: Chat) -> int:
        """Tokens of a chat's texts; their bytes, where the model cannot tell."""
        texts = [message.content for message in chat]
        if hasattr(self._model, "encode"):
            return sum(map(len, self._model.encode(texts)))
        return sum(len(text.encode()) for text in texts)
