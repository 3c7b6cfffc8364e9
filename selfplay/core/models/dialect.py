"""In which words a server takes a request: found out by asking, told once, and kept to.

OpenAI's chat completions are spoken in dialects. Newer servers want `max_completion_tokens` for
`max_tokens`, and say so. Some refuse replies in the form of a JSON schema; llama.cpp's Python
server answers 500 to it, every time. So a request that is refused is asked again at once in other
words: with the limit's other name, where the refusal names it; with `json_object` and then without
a form, where a form has never had an answer yet. Words that get an answer are kept for all later
requests. A refusal that may have been passing trouble (5xx) counts only if the first words fail
once more: a busy server is not taken for one that knows no schema.

What is asked for stays what it was: caches and fingerprints know the request and not its dialect,
and a reply is read as strictly without a form as with one.

Left out: other fields that a server may refuse, such as `seed` or `temperature`: they change the
answers, so it is for the user to leave them away (`extra`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from selfplay.core.models.failure import Failure
from selfplay.core.models.http_replies import Outcome
from selfplay.core.notices import note

Body: TypeAlias = dict[str, Any]
Send: TypeAlias = Callable[[Body], Awaitable[Outcome]]
"""Sends a request once."""

FORM = "response_format"
OLD_LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
_FORMLESS: Mapping[str, Any] = {}
_WEAKER: tuple[Mapping[str, Any], ...] = ({"type": "json_object"}, _FORMLESS)
"""What is asked for in place of a JSON schema, one after the other."""
_MALFORMED = frozenset({400, 422})
_FORM_REFUSED = frozenset({400, 415, 422, 500, 501})


class Dialect:
    """What one server was found to take for one model, in this process."""

    def __init__(self, server: str) -> None:
        """Knows nothing yet; `server` is how it is named to the user."""
        self._server = server
        self._new_limit = False
        self._taken: dict[str, Mapping[str, Any]] = {}
        """By a JSON schema, what it is replaced by."""
        self._answered: set[str] = set()
        """Schemas that had an answer, in whatever form."""

    def spoken(self, body: Body) -> Body:
        """The request in the server's words."""
        words = _renamed(body) if self._new_limit and OLD_LIMIT in body else body
        schema = _schema(body)
        return _formed(words, self._taken[schema]) if schema in self._taken else words

    def heard(self, body: Body, outcome: Outcome) -> None:
        """Notes that a request was answered."""
        if not isinstance(outcome, Failure) and (schema := _schema(body)):
            self._answered.add(schema)

    def doubts(self, body: Body, spoken: Body, outcome: Outcome) -> bool:
        """Whether other words may get an answer to a request that had none.

        Args:
            body: the request.
            spoken: in which words it was sent; another request may have found others since.
            outcome: what came of it.
        """
        if not isinstance(outcome, Failure) or outcome.status not in _FORM_REFUSED:
            return False  # of a server that is busy or away, words are not the reason
        if self.spoken(body) != spoken:
            return True
        return _wants_new_limit(spoken, outcome) or self._doubts_form(body, outcome)

    async def settled(self, body: Body, outcome: Outcome, send: Send) -> Outcome:
        """What comes of a request whose refusal is in doubt.

        Args:
            body: the request, in its own words.
            outcome: the refusal.
            send: sends other words once.
        """
        asked, renamed = self.spoken(body), False
        if _wants_new_limit(asked, outcome):
            found = await send(_renamed(asked))
            if not _names_new_limit(found):
                asked, renamed, outcome = _renamed(asked), True, found
        if self._doubts_form(body, outcome):
            outcome = await self._in_another_form(body, asked, outcome, send)
        if renamed and not (isinstance(outcome, Failure) and outcome.again):
            self._new_limit = True
            note(f"{self._server} wants {NEW_LIMIT} for {OLD_LIMIT}, and is asked so")
        self.heard(body, outcome)
        return outcome

    async def _in_another_form(
        self, body: Body, asked: Body, refusal: Outcome, send: Send
    ) -> Outcome:
        """The answer in a weaker form, which is kept to; the refusal where there is none."""
        assert isinstance(refusal, Failure)
        for form in _WEAKER:
            found = await send(_formed(asked, form))
            if isinstance(found, Failure):
                continue
            if refusal.again:
                once_more = await send(asked)
                if not isinstance(once_more, Failure):
                    return once_more
            self._taken[_schema(body)] = form
            now = f"for '{form['type']}'" if form else "without a form"
            note(
                f"{self._server} refuses replies in the form of a JSON schema ({refusal.detail}): "
                f"it is asked {now} from now on, and its replies are read as strictly"
            )
            return found
        return refusal

    def _doubts_form(self, body: Body, outcome: Outcome) -> bool:
        schema = _schema(body)
        open_question = schema and schema not in self._answered and schema not in self._taken
        return bool(
            open_question and isinstance(outcome, Failure) and outcome.status in _FORM_REFUSED
        )


def _schema(body: Body) -> str:
    """The JSON schema that the reply is to follow; empty where it is to follow none."""
    form = body.get(FORM)
    is_schema = isinstance(form, Mapping) and form.get("type") == "json_schema"
    return json.dumps(form) if is_schema else ""


def _formed(body: Body, form: Mapping[str, Any]) -> Body:
    rest = {name: value for name, value in body.items() if name != FORM}
    return {**rest, FORM: dict(form)} if form else rest


def _renamed(body: Body) -> Body:
    return {NEW_LIMIT if name == OLD_LIMIT else name: value for name, value in body.items()}


def _wants_new_limit(body: Body, outcome: Outcome) -> bool:
    return OLD_LIMIT in body and _names_new_limit(outcome)


def _names_new_limit(outcome: Outcome) -> bool:
    return (
        isinstance(outcome, Failure) and outcome.status in _MALFORMED and NEW_LIMIT in outcome.words
    )
