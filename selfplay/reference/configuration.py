"""The configuration as a page: every key, and every component with its options. Torch-free.

All of it is read from the dataclasses and the tables of components: types, defaults, the strings
under the fields. docs/reference/configuration.md is this page, and a test keeps it current; nothing
in it is typed by hand.

A section is described where a run first has it, and elsewhere referred to; so is a component. Left
out: what a configuration's checks refuse, since their messages say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from selfplay.ablation.grid import AblationConfig
from selfplay.config.nodes import join
from selfplay.config.settings import RunConfig
from selfplay.core.components import Row, Table
from selfplay.core.errors import ConfigError, nearest
from selfplay.offline.rlaif.config import LabelConfig, ReviseConfig, RewardedConfig
from selfplay.offline.train_config import TrainConfig
from selfplay.reference.places import (
    Place,
    base_among,
    flat,
    of_its_own,
    places,
    type_text,
    without_null,
)

OTHERS: Mapping[str, type] = {
    "selfplay train": TrainConfig,
    "selfplay ablate": AblationConfig,
    "selfplay rlaif revise": ReviseConfig,
    "selfplay rlaif label": LabelConfig,
    "selfplay rlaif judgements": RewardedConfig,
}
"""What other commands than `run` are configured with."""

KEYS = re.compile(r"^\| `([\w.]+\.[\w.]+)` \|", re.MULTILINE)
"""The keys of a table; those of options, which are relative, have no dot."""

BAR = r"\|"
"""A bar inside a cell."""

INTRODUCTION = """\
# Configuration

Written from the code by `selfplay reference configuration`; a test keeps it current.

A key is set in a YAML file, or on the command line as `key=value` with dots for nesting
(`solver.learning_rate=1e-5`). `selfplay config NAME` shows all values of a configuration and where
each comes from; `selfplay reference KEY` shows one part of this page.

- A *section* holds further keys; they follow under its own heading.
- A *component* is chosen by its name (`solver.objective=dpo`), and its options are set beside it
  (`solver.objective.beta=0.2`), or both at once: `{name: dpo, beta: 0.2}`. A component of your own
  is named `package.module:Class`. [After all keys](#components) comes what there is to choose from.
- A *list* is replaced as a whole, or changed by index: `tasks.0.weight=2`, the key being written
  `tasks.N.weight` here.
- `required` stands where there is no default, `null` where nothing is set.
"""


@dataclass(frozen=True)
class Part:
    """A piece of the page."""

    key: str
    """Of a section, of a component, or of all components of a key; empty for what is between."""
    text: str


@dataclass(frozen=True)
class Choices:
    """The components of a table."""

    heading: str
    table: Table
    uses: list[str]
    """Further keys at which one of them is chosen."""


def configuration_page() -> str:
    """docs/reference/configuration.md."""
    return "\n\n".join([INTRODUCTION.rstrip(), *(part.text for part in parts())]) + "\n"


def part_of_page(key: str) -> str:
    """What the page says of a section, of a component, of all components of a key, or of a key.

    Raises:
        ConfigError: there is none of that name.
    """
    pieces = [part for part in parts() if part.key]
    keys = {key for part in pieces for key in (part.key, *KEYS.findall(part.text))}
    found = [part for part in pieces if part.key == key or part.key.startswith(f"{key}.")]
    found = found or [part for part in pieces if f"| `{key}` |" in part.text]
    if not found:
        hint = nearest(key, keys)
        raise ConfigError(f"expected a key of the configuration, found '{key}'; {hint}")
    return "\n\n".join(part.text for part in found) + "\n"


@cache
def parts() -> tuple[Part, ...]:
    """The page piece by piece: the keys of a run, those of other commands, the components."""
    writer = _Writer()
    written = list(writer.run())
    for command, kind in OTHERS.items():
        written.append(writer.other(command, kind))
    return (*written, Part("", "## Components"), *writer.components())


def slug(heading: str) -> str:
    """The anchor that GitHub and MkDocs give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table_row(*cells: str) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


def prose(text: str) -> str:
    """A text whose `<` are no HTML; code between backticks is left as it is."""
    return "`".join(
        piece if i % 2 else piece.replace("<", "&lt;") for i, piece in enumerate(text.split("`"))
    )


class _Writer:
    """Remembers what is described where."""

    def __init__(self) -> None:
        self.sections: dict[type, str] = {}
        self.choices: list[Choices] = []
        self.rows: dict[tuple[str, Row], str] = {}

    def run(self) -> Iterator[Part]:
        keys = places(RunConfig, "")
        self._note(keys)
        yield Part("", f"## `selfplay run`\n\n{self._table(keys)}")
        yield from self._sections(keys)

    def other(self, command: str, kind: type) -> Part:
        keys = list(flat(kind, "", self.sections))
        return Part("", f"## `{command}`\n\n{_summary(kind)}\n\n{self._table(keys)}")

    def _sections(self, keys: Sequence[Place]) -> Iterator[Part]:
        for place in keys:
            kind = place.kind
            if kind is None or self.sections[kind] != place.inside:
                continue
            base = base_among(kind, self.sections)
            inner = places(kind, place.inside)
            self._note(inner)
            head = f"### `{place.inside}`\n\n{_summary(kind)}"
            if base is not None:
                inner = of_its_own(inner, base)
                head += f"\n\nAll keys of {_link(self.sections[base])}, and:"
            yield Part(place.inside, f"{head}\n\n{self._table(inner)}")
            yield from self._sections(inner)

    def _note(self, keys: Sequence[Place]) -> None:
        """Takes in what is described first at these keys."""
        for place in keys:
            if place.table is not None:
                self._add(place.table, place.key, place.key)
            elif place.kind is not None:
                self.sections.setdefault(place.kind, place.inside)

    def _add(self, table: Table, key: str, heading: str) -> None:
        known = next((c for c in self.choices if table.items() <= c.table.items()), None)
        if known is None:
            self.choices.append(Choices(heading, table, []))
        elif key not in (known.heading.partition(" ")[0], *known.uses):
            known.uses.append(key)

    def components(self) -> Iterator[Part]:
        # Options hold components too, so the list grows while it is read.
        for choices in self.choices:
            for name, row in choices.table.items():
                self._note_options(choices.heading, name, row)
        for choices in self.choices:
            below = [part for item in choices.table.items() for part in self._row(choices, *item)]
            uses = ", ".join(f"`{key}`" for key in choices.uses)
            lines = [f"### {_title(choices.heading)}", f"Also for {uses}." if uses else ""]
            lines += self._elsewhere(choices)
            yield Part(choices.heading, "\n\n".join(filter(None, lines)))
            yield from below

    def _note_options(self, heading: str, name: str, row: Row) -> None:
        self.rows.setdefault((name, row), heading)
        for option in flat(row.options, ""):
            if option.table is not None:
                key = join(heading.partition(" ")[0], option.key)
                self._add(option.table, key, f"{key} ({name})")

    def _row(self, choices: Choices, name: str, row: Row) -> Iterator[Part]:
        if self.rows[name, row] != choices.heading:
            return
        options = list(flat(row.options, ""))
        text = f"#### {name}\n\n{row.summary[0].upper()}{row.summary[1:]}."
        table = f"\n\n{self._table(options)}" if options else ""
        yield Part(f"{choices.heading}.{name}", text + table)

    def _elsewhere(self, choices: Choices) -> Iterator[str]:
        others: dict[str, list[str]] = {}
        for name, row in choices.table.items():
            home = self.rows[name, row]
            if home != choices.heading:
                others.setdefault(home, []).append(f"`{name}`")
        for home, names in others.items():
            yield f"{', '.join(names)}: as for {_link(home)}."

    def _table(self, keys: Sequence[Place]) -> str:
        lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
        for place in keys:
            default = place.default
            coded = default if default in ("", "required") else f"`{default}`"
            lines.append(table_row(f"`{place.key}`", self._type(place), coded, prose(place.text)))
        return "\n".join(lines)

    def _type(self, place: Place) -> str:
        null = "" if without_null(place.hint) is place.hint else " or null"
        if place.table is not None:
            many = "list of " if place.item.metadata.get("many") else ""
            return f"{many}{self._component(place.table)}{null}"
        if place.kind is not None:
            many = "" if place.inside == place.key else "list of "
            return f"{many}[section](#{slug(self.sections[place.kind])}){null}"
        return type_text(place.hint)

    def _component(self, table: Table) -> str:
        """A link to the components of a table, with their names where it is a part of another."""
        home = next(c for c in self.choices if table.items() <= c.table.items())
        missing = [name for name in home.table if name not in table]
        link = f"[component](#{slug(home.heading)})"
        if not missing:
            return link
        few, word = (missing, "but") if len(missing) < len(table) else (list(table), "of")
        return f"{link} ({word} {', '.join(f'`{name}`' for name in few)})"


def _summary(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def _title(heading: str) -> str:
    key, _, owner = heading.partition(" ")
    return f"`{key}` {owner}".rstrip()


def _link(heading: str) -> str:
    return f"[{_title(heading)}](#{slug(heading)})"
