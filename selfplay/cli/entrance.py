"""The command line's entrance: what no command can be given, and what the file system refuses.

Names that cannot be (a NUL, half a character, thousands of letters), folders that may not be
written and the like meet many commands in many places. They are told here, once for all of them; so
is what a user's own component raises while it is at work.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup
from typing_extensions import override

from selfplay.core.components import blamed
from selfplay.core.errors import ConfigError, ResourceError, SelfplayError
from selfplay.core.guard import said, shown
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
        except SelfplayError:
            raise
        except (Exception, SystemExit) as error:
            told = _told(error)
            if told is None:
                raise
            raise told from error


def _told(error: BaseException) -> SelfplayError | None:
    """What is no fault of ours, in our words."""
    where = blamed(error)
    if where:
        return ConfigError(
            f"code of your own raised {said(error)} ({where}); what was committed before is kept: "
            "mend it, then run the same command again"
        )
    # Without a file's name it is no matter of the user's: a pipe that closed, a bug.
    if isinstance(error, OSError) and error.filename is not None:
        return ResourceError(f"{shown(error.filename)}: {error.strerror}")
    return None
