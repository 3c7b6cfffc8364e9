"""Loads a configuration: defaults, then files, then overrides, checked as a whole.

A source is a YAML file or the name of a shipped configuration; its key `base` names another one
that it changes. Overrides are `key=value`, the value read as YAML, with dots for nesting
(`solver.objective=dpo`, `creator.operators.0.weight=2`); the less nested ones apply first, so
choosing a component never undoes the options given with it. `${key}` refers to another value and
`${oc.env:NAME}` to the environment. Reading a configuration imports no component and no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from selfplay.config.nodes import Leaf
from selfplay.config.render import render
from selfplay.config.settings import RunConfig
from selfplay.config.tree import Section
from selfplay.config.values import OVERRIDE
from selfplay.core.errors import ConfigError, nearest
from selfplay.core.guard import guarded, shortened
from selfplay.core.json_text import check_text
from selfplay.core.yaml_guard import MAX_DEPTH, read_guarded

T = TypeVar("T")
BASE = "base"


@dataclass(frozen=True)
class Loaded(Generic[T]):
    """A configuration that passed every check."""

    config: T
    sources: Mapping[str, str]
    """Dotted key of each value → `default`, the name of a file, or `override`."""
    values: Mapping[str, Any]
    """All values as plain data; a component is `{name: ..., **options}`."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data that JSON can hold; loading it gives the same configuration."""
        return deepcopy(dict(self.values))

    def render(self) -> str:
        """YAML, with a comment on each line that says where the value comes from."""
        return render(self.values, self.sources)


@overload
def load_config(source: str | Path | None, overrides: Sequence[str]) -> Loaded[RunConfig]: ...


@overload
def load_config(
    source: str | Path | None, overrides: Sequence[str], root: type[T]
) -> Loaded[T]: ...


def load_config(
    source: str | Path | None, overrides: Sequence[str], root: type[Any] = RunConfig
) -> Loaded[Any]:
    """Reads, merges, types and checks a configuration.

    Args:
        source: a YAML file, the name of a shipped configuration, or None for the defaults.
        overrides: `key=value` each.
        root: the dataclass to fill.

    Returns:
        The configuration, its values as plain data, and where each of them comes from.

    Raises:
        ConfigError: a file is missing or malformed, a key or component is unknown, a value is
            missing or has the wrong type, or values do not go together.
    """
    return _load(root, _read_layers(source), overrides)


def load_values(
    values: Mapping[str, Any], origin: str, root: type[T], overrides: Sequence[str] = ()
) -> Loaded[T]:
    """A configuration from plain data, such as the `Loaded.as_dict()` that a run recorded.

    Args:
        values: plain data.
        origin: where it comes from, for messages and `Loaded.sources`.
        root: the dataclass to fill.
        overrides: `key=value` each, on top.

    Raises:
        ConfigError: as for `load_config`.
    """
    return _load(root, [(origin, values)], overrides)


def shipped_configs() -> dict[str, Path]:
    """The configurations that come with the project, by name; in a checkout and when installed."""
    package = Path(__file__).parents[1]
    folders = [package / "configs", package.parent / "configs"]
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.rglob("*.yaml"))
    }


def differences(a: Mapping[str, Any], b: Mapping[str, Any], ignore: set[str]) -> list[str]:
    """Dotted keys whose values differ, sorted; a key in `ignore` hides itself and all below it."""
    flat_a, flat_b = dict(_flatten(a)), dict(_flatten(b))
    absent = object()
    return sorted(
        key
        for key in flat_a.keys() | flat_b.keys()
        if flat_a.get(key, absent) != flat_b.get(key, absent)
        and not any(key == hidden or key.startswith(f"{hidden}.") for hidden in ignore)
    )


def _load(
    root: type[T], layers: Sequence[tuple[str, Mapping[str, Any]]], overrides: Sequence[str]
) -> Loaded[T]:
    tree = Section("", root)
    for origin, values in layers:
        tree.assign(values, origin)
    for value in _read_overrides(overrides):
        tree.assign(value, OVERRIDE)
    _interpolate(tree)
    config = tree.build()
    sources = {place.where: place.origin for place in tree.leaves()}
    return Loaded(config, sources, tree.plain())


def _read_layers(source: str | Path | None) -> list[tuple[str, Mapping[str, Any]]]:
    """The files of an inheritance chain, the base first."""
    layers: list[tuple[str, Mapping[str, Any]]] = []
    chain: list[Path] = []
    folder = Path()
    while source is not None:
        path = _find(source, folder)
        if path.resolve() in chain:
            names = " → ".join(item.name for item in [*chain, path])
            raise ConfigError(f"{BASE}: the configurations inherit from each other: {names}.")
        chain.append(path.resolve())
        values = _read_file(path)
        source, folder = values.pop(BASE, None), path.parent
        if not isinstance(source, str | None):
            raise ConfigError(f"{BASE}: expected a file or a name; found {source!r} in {path}.")
        layers.insert(0, (path.name, values))
    return layers


def _find(source: str | Path, folder: Path) -> Path:
    shipped = shipped_configs()
    if str(source) in shipped:
        return shipped[str(source)]
    with guarded(ConfigError, f"configuration '{shortened(str(source))}'"):
        path = folder / Path(source).expanduser()
        if path.is_file():
            return path
        what = "is a folder, not a YAML file" if path.is_dir() else "is no file"
    raise ConfigError(
        f"configuration '{path}' {what}, and not the name of a shipped configuration; "
        f"{nearest(str(source), shipped)} (shipped: {', '.join(shipped) or 'none'})."
    )


def _read_file(path: Path) -> dict[str, Any]:
    with guarded(ConfigError, f"{path}: cannot be read"):
        text = path.read_text(encoding="utf-8")
    values = read_guarded(text, _parse, ConfigError, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping, `key: value` lines; found other YAML.")
    return values


def _parse(text: str) -> Any:
    return OmegaConf.to_container(OmegaConf.create(text))


def _read_overrides(overrides: Sequence[str]) -> list[dict[str, Any]]:
    parsed = [_read_override(text) for text in overrides]
    return [_nest(keys, value) for keys, value in sorted(parsed, key=lambda item: len(item[0]))]


def _read_override(text: str) -> tuple[list[str], Any]:
    key, equals, value = text.partition("=")
    keys = key.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"override '{shortened(text)}': expected key=value, such as 'rounds=10'.")
    where = f"override '{shortened(text)}'"
    with guarded(ConfigError, where):
        check_text(key)
    if len(keys) > MAX_DEPTH:
        raise ConfigError(f"{where}: expected a key of up to {MAX_DEPTH} parts, found {len(keys)}.")
    holder = read_guarded(value, _parse_value, ConfigError, where)
    # Naming a component is choosing it: `objective.name=dpo` is as deep as `objective=dpo`.
    if len(keys) > 1 and keys[-1] == "name":
        return keys[:-1], {"name": holder["value"]}
    return keys, holder["value"]


def _parse_value(text: str) -> Any:
    return OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))


def _nest(keys: Sequence[str], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    nested: dict[str, Any] = value
    return nested


def _interpolate(tree: Section) -> None:
    leaves = [leaf for leaf in tree.leaves() if isinstance(leaf, Leaf) and "${" in str(leaf.value)]
    if not leaves:
        return
    try:
        with guarded(ConfigError, "configuration: cannot fill in a '${...}'"):
            resolved: Any = OmegaConf.to_container(OmegaConf.create(tree.plain()), resolve=True)
    except ConfigError as error:
        if isinstance(error.__cause__, OmegaConfBaseException):
            raise ConfigError(
                f"{error.__cause__.full_key or 'configuration'}: cannot fill in a '${{...}}': "
                f"{_first_line(error.__cause__)}. Write '\\${{' for the characters themselves."
            ) from error.__cause__
        raise
    flat = dict(_flatten(resolved))
    for leaf in leaves:
        leaf.value = flat[leaf.where]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _flatten(values: Any, where: str = "") -> list[tuple[str, Any]]:
    """Dotted keys and values; a list is one value unless it holds mappings."""
    if isinstance(values, Mapping) and values:
        items = [(str(key), item) for key, item in values.items()]
    elif isinstance(values, list) and any(isinstance(item, Mapping) for item in values):
        items = [(str(index), item) for index, item in enumerate(values)]
    else:
        return [(where, values)]
    return [
        pair for key, item in items for pair in _flatten(item, f"{where}.{key}" if where else key)
    ]
