"""The command line's entrance: what no command can be given, and what the file system refuses.

Names that cannot be (a NUL, half a character, thousands of letters), folders that may not be
written and the like meet many commands in many places. They are told here, once for all of them.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup
from typing_extensions import override

from selfplay.core.errors import ConfigError, ResourceError
from selfplay.core.guard import shown
from selfplay.core.json_text import check_text


class Entrance(TyperGroup):
    """A group of commands with checked arguments."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for argument in args:
            try:
                check_text(argument)
            except ValueError as error:
                raise ConfigError(f"argument {shown(argument)}: {error}") from error
            if "\0" in argument:
                raise ConfigError(f"argument {shown(argument)}: a NUL is no part of any name")
        return super().parse_args(ctx, args)

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:
            # Without a file's name it is no matter of the user's: a pipe that closed, a bug.
            if error.filename is None:
                raise
            raise ResourceError(f"{shown(error.filename)}: {error.strerror}") from error
