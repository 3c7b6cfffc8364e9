"""Components chosen by name: a torch-free table, and one resolver.

A role's table maps names to rows; a row says where the code is, which options it takes and what it
does. `{name: proportional, temperature: 0.5}` in a configuration becomes a `Choice` with typed
options; `build` imports the code and calls it. `mypackage.module:Class` in place of a name plugs
in a user's own class, whose options are its nested dataclass `Options`, if it has one.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias

from selfplay.core.errors import ConfigError, SelfplayError, nearest
from selfplay.core.guard import origin, said, shortened

_OURS = ("selfplay", "creator", "solver", "meta")
"""The packages of the project."""
_OWN_PLACES: set[str] = set()
"""Files, and folders of packages, whose code was named in a configuration and is not ours."""


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    factory: str
    """`package.module:attribute`, imported only when the component is built."""
    options: type
    """A dataclass: the component's options, typed, with their defaults."""
    summary: str
    """What it does, in one line."""


Table: TypeAlias = Mapping[str, Row]


@dataclass(frozen=True)
class NoOptions:
    """Options of a component that has none."""


@dataclass(frozen=True)
class Choice:
    """A component that a configuration chose, with its typed options."""

    name: str
    factory: str
    options: Any

    def build(self, *collaborators: Any) -> Any:
        """Imports the component and calls it with its options and its collaborators.

        Raises:
            ConfigError: it is the user's own and raises; says what, in which file and line.
        """
        factory = load_attribute(self.factory)
        with own_code(self.name, "when it is built"):
            return factory(self.options, *collaborators)


MODEL = "model"
"""Key of a field's metadata: it names a model; the value lists names that are no directories."""


def model_place(default: str | None, names: tuple[str, ...] = ()) -> Any:
    """A dataclass field that names a model: a directory, which becomes absolute, or a name.

    Args:
        default: what it is when nothing else is set.
        names: what means something else, even where a directory is called so.
    """
    return field(default=default, metadata={MODEL: names})


def component(default: str, table: Table, shorthand: tuple[str, str] | None = None) -> Any:
    """A dataclass field that holds one choice from `table`.

    Args:
        default: name of the component chosen when nothing else is.
        table: what there is to choose from.
        shorthand: a component and one of its options: a bare path in place of a name means that
            component with that option, so with `("file", "path")` the text `data/a.jsonl` means
            `{name: file, path: data/a.jsonl}`.
    """
    return field(
        default_factory=lambda: chosen(default, table),
        metadata={"table": table, "shorthand": shorthand},
    )


def components(defaults: tuple[str, ...], table: Table) -> Any:
    """A dataclass field that holds a list of choices from `table`."""
    return field(
        default_factory=lambda: tuple(chosen(name, table) for name in defaults),
        metadata={"table": table, "many": True},
    )


def chosen(name: str, table: Table, options: Any = None) -> Choice:
    """The component called `name`, with its default options where none are given.

    Raises:
        ConfigError: as `find_row`.
    """
    row = find_row(name, table, "component")
    return Choice(name, row.factory, row.options() if options is None else options)


def find_row(name: str, table: Table, where: str) -> Row:
    """The row called `name`, or a row made for a user's own `module:Class`.

    Raises:
        ConfigError: the name is in no table and is no importable `module:Class`.
    """
    if name in table:
        return table[name]
    if ":" not in name:
        raise ConfigError(
            f"{where}: no component is called '{name}'; {nearest(name, table)} "
            "A component of your own is named 'package.module:Class'."
        )
    component = load_attribute(name, where)
    with own_code(name, "when its Options are read"):
        options = getattr(component, "Options", NoOptions)
    if not (isinstance(options, type) and is_dataclass(options)):
        raise ConfigError(
            f"{where}: expected '{name}.Options' to be a dataclass; found {options!r}."
        )
    return Row(name, options, "yours")


def load_attribute(path: str, where: str = "component") -> Any:
    """The object at `package.module:attribute`.

    Raises:
        ConfigError: the module does not import, or has no such attribute.
    """
    module_name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise ConfigError(f"{where}: expected 'package.module:Class'; found '{path}'.")
    with own_code(path, "at import"):
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise ConfigError(
                f"{where}: cannot import '{module_name}' of '{path}': {error}. Is the folder that "
                "holds it on PYTHONPATH?"
            ) from error
        if not hasattr(module, attribute):
            hint = nearest(attribute, [name for name in vars(module) if not name.startswith("_")])
            raise ConfigError(f"{where}: module '{module_name}' has no '{attribute}'; {hint}")
        found = getattr(module, attribute)
        for name in {module_name, str(getattr(found, "__module__", module_name))}:
            _OWN_PLACES.update(_places_of(name))
        return found


@contextmanager
def own_code(name: str, when: str) -> Iterator[None]:
    """Turns what a user's own component raises into an error that says where it stands.

    What is not the user's own is let through: a fault of ours shows its traceback.

    Raises:
        ConfigError: with the file and line.
    """
    try:
        yield
    except SelfplayError:
        raise
    except (Exception, SystemExit) as error:
        module, _, attribute = name.partition(":")
        if not attribute or _is_ours(module):
            raise
        raise ConfigError(
            f"'{shortened(name)}' raised {when}: {said(error)} ({origin(error)})"
        ) from error


def blamed(error: BaseException) -> str:
    """Where a user's own component raised this while it was at work; empty where none did."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if _OWN_PLACES & {f.filename, *map(str, Path(f.filename).parents)}]
    if not own:
        return ""
    last = own[-1]
    return f"{Path(last.filename).name}, line {last.lineno}, in {last.name}"


def _is_ours(module_name: str) -> bool:
    return module_name.partition(".")[0] in _OURS


def _places_of(module_name: str) -> list[str]:
    """Where the code of a user's module lies: the folders of its package, or its own file."""
    top = module_name.partition(".")[0]
    if top in _OURS or top in sys.stdlib_module_names:
        return []
    package = sys.modules.get(top)
    # A folder without an __init__ is no package of anybody's: the module's own file stands alone.
    if package and package.__file__ and hasattr(package, "__path__"):
        return list(map(str, package.__path__))
    file = getattr(sys.modules.get(module_name), "__file__", None)
    return [file] if file else []
