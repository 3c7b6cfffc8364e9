"""The model that a judge asks, and which of its questions the model cannot be asked.

All questions of all groups go out in one call, so that a server is kept busy and a model in process
fills its batches. A question that the model refuses, such as one that does not fit its context,
costs only its own verdict, and a server that fails them all costs all of theirs: verdicts are then
missing, as many as a run allows. At temperature 0 equal questions are asked once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from meta.judges.llm.halving import one_by_one
from meta.judges.llm.masses import Masses, masses
from selfplay.core.components import Choice
from selfplay.core.errors import NoAnswerError
from selfplay.core.models.content import content_of
from selfplay.core.models.live import LiveModel, ScoringModel
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import Chat, Group, Response, Sampling

Found = TypeVar("Found")

UNANSWERED = "no usable reply"
"""How the reason begins why there is no verdict where the model's server did not answer."""


class Asked:
    """A text model as a judge uses it."""

    def __init__(self, choice: Choice, form: Mapping[str, Any] | None = None) -> None:
        """Builds the model.

        Args:
            choice: from `selfplay.core.models.table`; its live policy is made known by `meet`.
            form: of the replies (`response_format`), for a model that can be asked for one.

        Raises:
            ConfigError, ModelError: the model cannot be had.
        """
        self._live = LiveModel()
        self._path = str(getattr(choice.options, "path", ""))
        self.model: Any = choice.build(self._live)
        if form is not None and hasattr(self.model, "replying_as"):
            self.model = self.model.replying_as(form)

    @property
    def content(self) -> str:
        """What tells the model from another one under the same options: a hash of its weights."""
        return content_of(Path(self._path)) if Path(self._path).is_dir() else self._path

    def meet(self, live: ScoringModel) -> None:
        """Makes the live policy known."""
        self._live.bind(live)

    def replies(
        self, chats: Sequence[Chat], sampling: Sampling, seed: Seed
    ) -> list[tuple[Response, ...] | str]:
        """`sampling.n` replies to each chat, or why there are none.

        Raises:
            EndpointError: the model's server refuses the key, model or address.
            PausedError: the model's `max_money` is spent.
        """
        before = _failures(self.model)
        try:
            return replies_of(self.model, chats, sampling, seed)
        except NoAnswerError:
            return [_unanswered(self.model, before)] * len(chats)

    def masses(
        self, chats: Sequence[Chat], candidates: Sequence[str], least: float
    ) -> list[Masses | str]:
        """How likely the candidates are as answers to each chat; see `meta.judges.llm.masses`."""
        return masses(self.model, chats, candidates, least)


def replies_of(
    model: TextModel, chats: Sequence[Chat], sampling: Sampling, seed: Seed
) -> list[tuple[Response, ...] | str]:
    """`sampling.n` replies of the model to each chat, or why there are none.

    Raises:
        EndpointError: the model's server answers nothing at all.
    """
    different = list(dict.fromkeys(chats)) if sampling.greedy else list(chats)

    def ask(some: Sequence[Chat]) -> list[tuple[Response, ...] | str]:
        before = _failures(model)
        found = model.generate(some, sampling, seed)
        reason = _unanswered(model, before)
        return [responses or reason for responses in found]

    answers = one_by_one(different, ask)
    if not sampling.greedy:
        return answers
    known = dict(zip(different, answers, strict=True))
    return [known[chat] for chat in chats]


def by_group(groups: Sequence[Group], found: Iterable[Found]) -> list[tuple[Found, ...]]:
    """One thing for each response of all groups, dealt out to the groups again."""
    left = iter(found)
    return [tuple(islice(left, len(group.responses))) for group in groups]


def _failures(model: Any) -> Counter[str]:
    """What a server's client has counted so far."""
    usage = getattr(model, "usage", None)
    return Counter(usage.failures) if usage else Counter()


def _unanswered(model: Any, before: Counter[str]) -> str:
    """The reason for an unanswered chat; with several kinds of failures at once, all of them.

    A server that gave a reason of its own has it stand behind its kind.
    """
    kinds = sorted(_failures(model) - before)
    said = getattr(getattr(model, "usage", None), "words", {})
    reasons = [f"{kind}: {said[kind]}" if kind in said else kind for kind in kinds]
    return f"{UNANSWERED} ({', '.join(reasons) or 'none came'})"
