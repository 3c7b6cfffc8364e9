"""`selfplay reference`: every key of a configuration, every component, every command."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

from selfplay.cli.output import say


def reference(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="configuration, commands, or a key such as solver.objective.dpo."
        ),
    ] = "configuration",
) -> None:
    """Show what can be configured, with types, defaults and meaning, as Markdown.

    A key shows its section, a component's options, or all components there are to choose from.
    """
    from selfplay.reference.commands import commands_page
    from selfplay.reference.configuration import configuration_page, part_of_page

    root = context.find_root().command
    if what == "commands" and isinstance(root, TyperGroup):
        text = commands_page(root)
    else:
        text = configuration_page() if what == "configuration" else part_of_page(what)
    say(text, end="")
