"""What was asked before a recorded response: the prompt's columns and the turns beside it.

Preference and chat files say it twice or in two places. TRL's explicit prompts stand before chats
that hold the response alone, or go on from the prompt; UltraFeedback's chats repeat the prompt;
others have no prompt column at all. All turns are kept: two places that contradict each other are
refused, and so are comparisons whose sides differ in a turn before the last, since a response is
one turn here.
"""

from __future__ import annotations

from selfplay.core.errors import DataError
from selfplay.core.types import Chat, Message
from selfplay.data.prompts import Columns, asked, with_system
from selfplay.data.rows import TableRow


def asked_before(row: TableRow, columns: Columns, turns: Chat) -> Chat:
    """What was asked before a response.

    Args:
        row: of the file.
        columns: what they mean.
        turns: recorded before the response, in its own column.

    Raises:
        DataError: nothing was, or the prompt's column and the turns contradict each other.
    """
    if columns.prompt and row.values.get(columns.prompt) not in (None, "", []):
        return merged(asked(row, columns), turns, f"{row.place}, column '{columns.prompt}'")
    if not turns:
        raise DataError(
            f"{row.place}: expected a prompt column, or turns before the response, found neither"
        )
    return with_system(row, columns, turns)


def merged(chat: Chat, turns: Chat, where: str) -> Chat:
    """The prompt with the turns that a response's column has before it.

    Raises:
        DataError: the turns neither go on from the prompt nor repeat it.
    """
    if not turns:
        return chat
    if turns[0].role == "assistant":
        return (*chat, *turns)
    asked_first, said = _spoken(chat), _spoken(turns)
    repeated = _same(asked_first, said[: len(asked_first)]) or _same(asked_first, said[-1:])
    if not repeated:
        raise DataError(
            f"{where}: expected what the chat of the response begins or ends with, found "
            f"'{asked_first[0].content[:60]}' here and '{said[0].content[:60]}' there"
        )
    systems = {m.content.strip(): m for m in (*chat, *turns) if m.role == "system"}
    if len(systems) > 1:
        raise DataError(
            f"{where}: expected one system message, found another in the chat of the response"
        )
    return (*systems.values(), *said)


def shared(chosen: Chat, rejected: Chat, place: str) -> Chat:
    """The turns before both sides of a comparison.

    Raises:
        DataError: they differ; says from which turn on.
    """
    if not chosen or not rejected:
        return chosen or rejected
    if chosen != rejected:
        same = 0
        while chosen[same : same + 1] == rejected[same : same + 1]:
            same += 1
        raise DataError(
            f"{place}: expected the same turns before both responses, found others from turn "
            f"{same + 1} on; a response is one turn: cut both chats after the first answer that "
            "differs"
        )
    return chosen


def _spoken(chat: Chat) -> Chat:
    return tuple(message for message in chat if message.role != "system")


def _same(a: Chat, b: Chat) -> bool:
    return [_plain(m) for m in a] == [_plain(m) for m in b]


def _plain(message: Message) -> tuple[str, str]:
    return message.role, message.content.strip()
