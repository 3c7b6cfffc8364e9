"""Everything that a command prints goes through here, as text that no terminal obeys.

What is shown was often written by others: a model, a server, a file. Such a text may hold escape
sequences, which move the cursor, rename the window or hide lines, and signs that turn the direction
of what follows. They are made visible, in messages and errors as in tables
(`selfplay.cli.layout`); in JSON they are escaped, so that it says the same.
"""

from __future__ import annotations

import re

import typer

_TURNING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
"""Signs that turn the direction of a text: what is read is not what stands there."""
VISIBLE = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"} | {
    0x7F: "␡",
    **dict.fromkeys((*range(0x80, 0xA0), 0x2028, 0x2029, *_TURNING), "�"),
}
"""For `str.translate`: what stands in the place of signs that a terminal would obey."""
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029" + "".join(map(chr, _TURNING)) + "]")


def visible(text: str) -> str:
    """The text with its control characters made visible; lines and tabulators stay."""
    return text.translate(VISIBLE)


def say(text: str = "", *, err: bool = False, end: str = "\n") -> None:
    """Prints a text, on the standard error output where `err`."""
    typer.echo(visible(text) + end, err=err, nl=False)


def say_json(text: str) -> None:
    """Prints JSON; it stays the same JSON."""
    typer.echo(_ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", text))
