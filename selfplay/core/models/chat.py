"""How a model is spoken to: chats and texts to tokens and back, and the token that ends a turn.

The one place that knows a tokenizer and its chat template. What closes a turn is found by rendering
one: the first token of its own behind an assistant's text is the end of turn, which many templates
(Gemma, Phi-3, ChatML over a base model) do not share with `tokenizer.eos_token`. Generation stops
there, recorded responses are closed with it, reward models read there.

Text is text: what a person or a model wrote never becomes one of the tokens that structure a chat,
even when it spells one out. Those are the tokenizer's special tokens and what the template writes
around turns (`tokenizer.chat_control_tokens` adds to them); other tokens of their own, such as
`<think>`, are read in texts as always. transformers does it (`sanitize_control_tokens`).
Torch-free. Left out: tools, and turns in several parts.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from selfplay.core.errors import DataError, ModelError
from selfplay.core.models.library import library_errors
from selfplay.core.types import Chat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ASKED, _ANSWERED = "xylophones", "quixotically"
"""Texts that templates do not write themselves, to be found again in what they render."""
_CONTENT_ALONE = "{{ messages[0]['content'] }}"
"""A template that writes a text and nothing else."""
_ROLE = re.compile(r"[\w -]+")
_CHECK = "Check tokenizer.json, tokenizer_config.json and chat_template.jinja there."


class ChatTokenizer:
    """A tokenizer with its chat template, as a model is asked and answers."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        """Finds how the template opens and closes turns.

        Args:
            tokenizer: transformers'; it stays as it is.
            name: the model's, for messages.
        """
        self._name = name
        # A copy that shares the vocabulary: what is set here is not saved with the tokenizer.
        self._tokenizer: Any = copy.copy(tokenizer)
        with self._errors("cannot be read"):
            added = tokenizer.added_tokens_decoder
            self._eos: int = tokenizer.eos_token_id
            special = {token.content for token in added.values() if token.special}
            special.update(tokenizer.all_special_tokens)
            special.update(getattr(tokenizer, "chat_control_tokens", None) or ())
        self._own = {token: str(text) for token, text in added.items()}
        """Tokens that are found in a text before it is cut into others."""
        closing = self._own_tokens(self._behind_answer())[:1]
        self.end_of_turn: int = closing[0] if closing else self._eos
        """What closes an assistant's turn; the end of sequence where the template writes none."""
        marks = {*self._around_question(), *closing}
        control = sorted(special | {self._own[token] for token in marks}, key=len, reverse=True)
        self._tokenizer.chat_control_tokens = control
        self._spelled = re.compile("|".join(map(re.escape, control)) or "(?!)")

    def prompt_ids(self, chats: Sequence[Chat]) -> list[list[int]]:
        """Token ids of each chat under the template, up to where the answer begins.

        Raises:
            ModelError: the template or the tokenizer refuses a chat, or makes no tokens of it.
            DataError: a text of it is no text.
        """
        ids: list[list[int]] = [[]] * len(chats)
        plain = []
        for place, chat in enumerate(chats):
            _check(chat)
            if any(self._spelled.search(message.content) for message in chat):
                ids[place] = self._sanitized(_as_dicts(chat), add_generation_prompt=True)
            else:
                plain.append(place)
        rendered = [self._render(_as_dicts(chats[i]), add_generation_prompt=True) for i in plain]
        for place, one in zip(plain, self._plain_ids(rendered), strict=True):
            ids[place] = one
        if not all(ids):
            raise ModelError(f"The chat template of {self._name} makes no tokens of a chat.")
        return ids

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, which is text alone whatever tokens it spells out.

        Raises:
            ModelError: the tokenizer refuses one.
            DataError: one is no text.
        """
        for text in texts:
            _check_text(text)
        ids = self._plain_ids(texts)
        for place, text in enumerate(texts):
            if self._spelled.search(text):
                message = {"role": "assistant", "content": text}
                ids[place] = self._sanitized([message], chat_template=_CONTENT_ALONE)
        return ids

    def response_ids(self, text: str, closed: bool = True) -> list[int]:
        """Token ids of a response that is known as text.

        An end of turn (or of sequence) that is spelled out at its very end is that token, and is
        not written twice.

        Args:
            text: the response.
            closed: put the end of turn behind it.
        """
        ends = [self._own.get(token, "") for token in (self.end_of_turn, self._eos)]
        spelled = next((end for end in ends if end and text.endswith(end)), "")
        (ids,) = self.encode([text.removesuffix(spelled)])
        return [*ids, self.end_of_turn] if closed or spelled else ids

    def conversation_ids(self, chat: Chat) -> list[int]:
        """Token ids of a chat with all its turns closed, as reward models for chats read it.

        Raises:
            ModelError: as `prompt_ids`.
        """
        _check(chat)
        return self._sanitized(_as_dicts(chat))

    def decode(self, token_ids: Sequence[Sequence[int] | NDArray[np.int32]]) -> list[str]:
        """The text of each response, without special tokens and without what closes it."""
        rows = [list(map(int, ids)) for ids in token_ids]
        rows = [row[:-1] if row[-1:] == [self.end_of_turn] else row for row in rows]
        with self._errors("cannot decode tokens"):
            texts: list[str] = self._tokenizer.batch_decode(rows, skip_special_tokens=True)
        return texts

    def disagreements(self, stops: Collection[int]) -> list[str]:
        """What is worth a note: others that say where a turn ends, and say something else.

        Args:
            stops: the end-of-sequence tokens of the model's generation configuration.
        """
        end, eos = self.end_of_turn, self._eos
        others = [f"tokenizer.eos_token is {self._shown(eos)}"] if eos != end else []
        if stops and end not in stops:
            shown = ", ".join(map(self._shown, sorted(stops)))
            others.append(f"generation_config.json stops at {shown}")
        if not others:
            return []
        note = (
            f"{self._name}: the chat template closes a turn with {self._shown(end)}, while "
            f"{' and '.join(others)}; turns end with {self._shown(end)} in training and scoring, "
            "and generation stops at any of them"
        )
        return [note]

    def _shown(self, token: int) -> str:
        return f"'{self._own.get(token, f'token {token}')}'"

    def _plain_ids(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        with self._errors("cannot read a text"):
            ids: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False).input_ids
        return ids

    def _render(self, messages: Sequence[dict[str, str]], **options: Any) -> str:
        with self._errors(f"refuses a chat (…{_end(messages)})"):
            text: str = self._tokenizer.apply_chat_template(messages, tokenize=False, **options)
        return text

    def _sanitized(self, messages: Sequence[dict[str, str]], **options: Any) -> list[int]:
        with self._errors(f"refuses a chat (…{_end(messages)})"):
            ids: list[int] = self._tokenizer.apply_chat_template(
                messages, return_dict=False, sanitize_control_tokens=True, **options
            )
        return ids

    def _behind_answer(self) -> str:
        """What the template writes behind an assistant's text; nothing where it refuses one."""
        whole = self._probe(("user", _ASKED), ("assistant", _ANSWERED))
        return whole.rpartition(_ANSWERED)[2] if _ANSWERED in whole else ""

    def _around_question(self) -> list[int]:
        """Tokens of their own around a user's turn, and what opens the answer."""
        asked = self._probe(("user", _ASKED))
        prompt = self._probe(("user", _ASKED), add_generation_prompt=True)
        opening = prompt.removeprefix(asked) if prompt.startswith(asked) else ""
        return [*self._own_tokens(asked), *self._own_tokens(opening)[:1]]

    def _own_tokens(self, text: str) -> list[int]:
        """The tokens of their own in what a template wrote; whitespace is text, even as a token."""
        (ids,) = self._plain_ids([text])
        return [token for token in ids if self._own.get(token, "").strip()]

    def _probe(self, *turns: tuple[str, str], **options: Any) -> str:
        """What the template makes of a small chat; nothing where it is made for other chats."""
        messages = [{"role": role, "content": content} for role, content in turns]
        try:
            return self._render(messages, **options)
        except ModelError:
            return ""

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return library_errors(f"The chat template or tokenizer of {self._name} {what}", _CHECK)


def _as_dicts(chat: Chat) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in chat]


def _check(chat: Chat) -> None:
    """Templates write roles into the tokens that open turns: they are names and nothing else."""
    for message in chat:
        if not _ROLE.fullmatch(message.role):
            raise DataError(
                f"Expected the role of a message to be a name such as 'user', found "
                f"{message.role!r}. Mend the prompt."
            )
        _check_text(message.content)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = text[:60].encode(errors="backslashreplace").decode()
        raise DataError(
            f"Expected a text, found half of a surrogate pair ({text[error.start]!a}) at "
            f"character {error.start} of '{shown}'. No tokenizer can read that: write the whole "
            "character, or leave it out."
        ) from error


def _end(messages: Sequence[dict[str, str]]) -> str:
    return messages[-1]["content"][-60:] if messages else ""
