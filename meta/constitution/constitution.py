"""Constitutions: ordered, bounded lists of principles under which a model criticises and compares.

From Constitutional AI (Bai et al., 2022, arXiv 2212.08073): a principle asks for a critique of a
response and for its revision (the supervised phase), and says what makes one of two responses the
better one (the phase of preferences). A file is read as strictly as a rubric is: no unknown key, no
key twice, no aliases, bounded texts, errors with their line. Left out: few-shot examples of
critiques, which the paper puts in front of every request.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from meta.rubrics.rubric import MAX_NAME, MAX_TEXT, arguments, read_file
from meta.rubrics.yaml_text import at_line, read_yaml
from selfplay.core.errors import DataError
from selfplay.core.seeding import Seed

MAX_PRINCIPLES = 64
"""A constitution's bound; the paper's have 16."""

SHIPPED = Path(__file__).parent
"""Where the constitutions lie that come with the project."""


@dataclass(frozen=True)
class Principle:
    """One thing that responses are held to."""

    id: str
    """A word of letters, digits, `-` and `_`, unique in its constitution."""
    critique: str
    """Asks for what is wrong with a response."""
    revision: str
    """Asks for a response in which that is mended."""
    prefer: str = ""
    """What decides between two responses, as the end of the question "Which response is"; empty
    in a constitution that is used for revisions alone."""

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not re.fullmatch(rf"[\w-]{{1,{MAX_NAME}}}", self.id):
            raise DataError(
                f"principle '{self.id}': expected an id of letters, digits, '-' and '_', up to "
                f"{MAX_NAME} of them, found {self.id!r}"
            )
        for key in ("critique", "revision", "prefer"):
            text = getattr(self, key)
            fits = isinstance(text, str) and (bool(text.strip()) or (key == "prefer" and not text))
            if not fits or len(text) > MAX_TEXT:
                raise DataError(
                    f"principle '{self.id}': expected {key}, a text of up to {MAX_TEXT} "
                    f"characters, found {str(text)[:60]!r} ({len(str(text))} characters)"
                )


@dataclass(frozen=True)
class Constitution:
    """An ordered, bounded list of principles."""

    principles: tuple[Principle, ...]
    name: str = "constitution"
    version: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name.strip()) <= MAX_NAME:
            raise DataError(
                f"constitution: expected a name of 1 to {MAX_NAME} characters, found {self.name!r}"
            )
        if not 1 <= len(self.principles) <= MAX_PRINCIPLES:
            raise DataError(
                f"constitution '{self.name}': expected 1 to {MAX_PRINCIPLES} principles, found "
                f"{len(self.principles)}"
            )
        ids = [principle.id for principle in self.principles]
        repeated = sorted({name for name in ids if ids.count(name) > 1})
        if repeated:
            raise DataError(
                f"constitution '{self.name}': ids are used twice: {', '.join(repeated)}"
            )
        if type(self.version) is not int or self.version < 1:
            raise DataError(
                f"constitution '{self.name}': expected a version of 1 or more, found "
                f"{self.version!r}"
            )

    @property
    def fingerprint(self) -> str:
        """12 hex digits of a hash over name, version and principles."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()

    def drawn(self, seed: Seed) -> Principle:
        """One principle, each as likely as the others."""
        return self.principles[int(seed.numpy().integers(len(self.principles)))]

    def check_comparing(self) -> None:
        """Refuses a constitution that cannot compare.

        Raises:
            DataError: a principle does not say what decides between two responses.
        """
        silent = [principle.id for principle in self.principles if not principle.prefer]
        if silent:
            raise DataError(
                f"constitution '{self.name}': expected `prefer` in every principle, since "
                f"responses are compared under them, found none in {', '.join(silent)}"
            )


def constitution_file(name: str) -> Path:
    """The file of one that is named by its path, or, without a suffix, of one that ships."""
    path = Path(name)
    return path if path.suffix else SHIPPED / f"{name}.yaml"


def read_constitution(path: Path) -> Constitution:
    """The constitution in a YAML file.

    Raises:
        DataError: the file is absent, or is no constitution.
    """
    return read_file(path, constitution_from_yaml, "constitution")


def constitution_from_yaml(text: str) -> Constitution:
    """The constitution that `text` spells.

    Raises:
        DataError: no YAML, an unknown or missing key, or a value that is refused; says where.
    """
    content, lines = read_yaml(text, "constitution")
    given = arguments(content, Constitution, "constitution")
    entries = given.pop("principles", None)
    if not isinstance(entries, list):
        raise DataError(
            "constitution: expected 'principles', a list with one mapping for each, found "
            f"{type(entries).__name__}"
        )
    principles = tuple(
        _principle(entry, f"principle {i + 1}", at_line(lines, "principles", i))
        for i, entry in enumerate(entries)
    )
    return Constitution(principles, **given)


def _principle(entry: Any, where: str, line: str) -> Principle:
    try:
        given = arguments(entry, Principle, where)
        absent = [key for key in ("id", "critique", "revision") if key not in given]
        if absent:
            raise DataError(f"{where}: needs {' and '.join(absent)}")
        return Principle(**given)
    except DataError as error:
        raise DataError(f"{line}{error}") from error
