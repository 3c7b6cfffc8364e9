"""The commands as a page: every one with its arguments and options. Torch-free.

docs/reference/commands.md is this page, and a test keeps it current. It is read from the commands
themselves, which hand their root over: the texts are those of `--help`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import typer
from typer.core import TyperCommand, TyperGroup

from selfplay.reference.configuration import prose, slug, table_row

CHOICE = re.compile(r" <([^<>]*\|[^<>]*)>$")
BRACKET = re.compile(r"  \[(.*)\]$")

INTRODUCTION = """\
# Commands

Written from the code by `selfplay reference commands`; a test keeps it current.

`selfplay COMMAND --help` says the same at the terminal. Where `key=value` is taken,
[the configuration](configuration.md) has the keys. A command that fails on purpose prints one line,
`error: …`, and ends with a code above 0; Ctrl-C ends it with 130.
"""


def commands_page(root: TyperGroup) -> str:
    """docs/reference/commands.md.

    Args:
        root: the `selfplay` command, as `context.find_root().command` has it.
    """
    context = typer.Context(root, info_name="selfplay")
    pages = [*_described(context)]
    return "\n\n".join([INTRODUCTION.rstrip(), _overview(root), *pages]) + "\n"


def _overview(root: TyperGroup) -> str:
    lines = ["| command | what it does |", "|---|---|"]
    for name, command in _below(root).items():
        link = f"[`selfplay {name}`](#{slug(f'selfplay {name}')})"
        lines.append(table_row(link, _paragraphs(command.help)[0]))
    return "\n".join(lines)


def _described(context: typer.Context) -> Iterator[str]:
    """Each command below one that has others, and those below it."""
    depth = "#" * (2 + context.command_path.count(" "))
    for name, command in _below(context.command).items():
        inner = typer.Context(command, parent=context, info_name=name)
        usage = " ".join([inner.command_path, *command.collect_usage_pieces(inner)])
        parts = [f"{depth} `{inner.command_path}`", *_paragraphs(command.help)]
        yield "\n\n".join([*parts, f"```text\n{usage}\n```", *_parameters(inner)])
        yield from _described(inner)


def _below(command: object) -> Mapping[str, TyperCommand | TyperGroup]:
    found = command.commands if isinstance(command, TyperGroup) else {}
    return {
        name: item
        for name, item in found.items()
        if isinstance(item, TyperCommand | TyperGroup) and not item.hidden
    }


def _parameters(context: typer.Context) -> Iterator[str]:
    """A table of a command's arguments and options, if it has any."""
    records = (item.get_help_record(context) for item in context.command.params)
    rows = [_row(name, text) for name, text in filter(None, records)]
    if rows:
        yield "\n".join(["| argument or option | meaning |", "|---|---|", *rows])


def _row(name: str, text: str) -> str:
    """One of them; its words to choose from, and its closing bracket (`[default: 3]`), as code."""
    # A bar within code within a table is read differently by GitHub and by MkDocs.
    if words := CHOICE.search(name):
        name = name.removesuffix(words[0])
        text = f"`{'`, `'.join(words[1].split('|'))}`. {text}"
    return table_row(f"`{name}`", prose(BRACKET.sub(r" `\1`", text)))


def _paragraphs(text: str | None) -> list[str]:
    return [prose(" ".join(part.split())) for part in (text or "").split("\n\n")]
