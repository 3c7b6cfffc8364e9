"""`selfplay config`: what a run would be configured with, and where each value comes from."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from selfplay.cli.output import say, say_json

SOURCE_HELP = "A YAML file, or the name of a shipped configuration; without it, the defaults."
OVERRIDES_HELP = "Changes on top, such as solver.objective=dpo or rounds=10."


def show_config(
    source: Annotated[str | None, typer.Argument(help=SOURCE_HELP)] = None,
    overrides: Annotated[list[str] | None, typer.Argument(help=OVERRIDES_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, without origins.")] = False,
) -> None:
    """Show the configuration that a run would use, and where each value comes from."""
    from selfplay.config import load_config

    name, changes = split_source(source, overrides or [])
    loaded = load_config(name, changes)
    text = json.dumps(loaded.as_dict(), indent=2) if as_json else loaded.render()
    (say_json if as_json else say)(text.rstrip("\n"))


def split_source(source: str | None, overrides: list[str]) -> tuple[str | None, list[str]]:
    """The source and the overrides, where the source may have been left out: `config rounds=3`."""
    if source is not None and "=" in source:
        return None, [source, *overrides]
    return source, overrides
