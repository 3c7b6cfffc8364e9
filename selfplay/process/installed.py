"""Which packages the project asks for, and which of them are here."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

DISTRIBUTION = "selfplay-engine"
CHECKOUT = Path(__file__).parents[2] / "pyproject.toml"


@dataclass(frozen=True)
class Needed:
    """A package that the project, or one of its extras, asks for."""

    name: str
    wanted: str
    """The range of versions, such as `>=2.13,<3`."""
    extra: str
    """The extra that asks for it; empty for the project itself."""
    found: str | None
    """The installed version."""
    fits: bool
    """Whether it is installed, in a version within the range."""


def needed_packages() -> list[Needed]:
    """What the installed distribution, or else the checkout, asks for."""
    return [_look_up(requirement, extra) for requirement, extra in _requirements()]


def _requirements() -> Iterator[tuple[Requirement, str]]:
    if CHECKOUT.is_file():
        project = tomllib.loads(CHECKOUT.read_text(encoding="utf-8"))["project"]
        for line in project["dependencies"]:
            yield Requirement(line), ""
        for extra, lines in project["optional-dependencies"].items():
            for line in lines:
                yield Requirement(line), extra
        return
    known = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    for line in metadata.requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            yield requirement, ""
        else:
            yield from ((requirement, name) for name in known if marker.evaluate({"extra": name}))


def _look_up(requirement: Requirement, extra: str) -> Needed:
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        found = None
    # A local build such as 2.13.0+cpu counts as its version, and a pre-release as a release.
    fits = found is not None and requirement.specifier.contains(found, prereleases=True)
    return Needed(requirement.name, str(requirement.specifier), extra, found, fits)
