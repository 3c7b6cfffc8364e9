"""Rubrics: versioned, ordered, bounded lists of typed criteria, and their score.

Each criterion is scored on its own range, clamped to it and rescaled to a share in [0, 1]; times
its weight it is a reward or a deduction. The rubric's score is

    (Σ rewards - Σ deductions + D) / (P + D)

with P and D the sums of the weights of the rewards and of the deductions, so that it lies in
[0, 1] whatever the criteria: a new version cannot move the scale under a fixed KL weight, and a
deduction really deducts (MPO, arXiv 2504.20157, whose public code does neither). The range is the
scorer's scale alone: 0 to 5 and 0 to 10 weigh the same.

One rubric has one text: `to_yaml` writes what `rubric_from_yaml` reads, byte for byte the same for
equal rubrics. Rubrics by cluster of prompts are in `meta.rubrics.set`, differences in
`meta.rubrics.diff`. Left out: criteria that depend on each other.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from meta.rubrics.yaml_text import Lines, at_line, read_yaml
from selfplay.core.checks import check_parameters
from selfplay.core.errors import DataError, SelfplayError, nearest
from selfplay.core.guard import guarded, shortened

T = TypeVar("T")

MAX_CRITERIA = 24
"""A rubric's bound: more criteria than this are noise to a judge and a drift of the scale."""

MAX_TEXT = 600
"""Characters of a criterion's text: what a judge is asked about one thing."""
MAX_NAME = 80
"""Characters of an id or a name."""

SHIPPED = Path(__file__).parent
"""Where the rubrics lie that come with the project."""

_SIGNS = ("reward", "deduction")
_KINDS = ("check", "judge")


@dataclass(frozen=True)
class Criterion:
    """One thing that a rubric looks at."""

    id: str
    """A word of letters, digits, `-` and `_`, unique in its rubric."""
    text: str
    """What is asked, in words."""
    weight: float = 1.0
    """Largest reward or deduction."""
    range: tuple[float, float] = (0.0, 1.0)
    """Lowest and highest score that its scorer gives."""
    sign: str = "reward"
    """`reward` or `deduction`."""
    kind: str = "check"
    """`check`: code scores it; `judge`: a language model does."""
    check: str = ""
    """Name of the check, for kind `check`."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """The check's parameters."""

    def __post_init__(self) -> None:
        where = f"criterion '{self.id}'"
        if not isinstance(self.id, str) or not re.fullmatch(rf"[\w-]{{1,{MAX_NAME}}}", self.id):
            raise DataError(
                f"{where}: expected an id of letters, digits, '-' and '_', up to {MAX_NAME} of "
                f"them, found {self.id!r}"
            )
        _check_text(where, self.text)
        _one_of(where, "sign", self.sign, _SIGNS)
        _one_of(where, "kind", self.kind, _KINDS)
        if not _is_number(self.weight) or not 0 < self.weight < math.inf:
            raise DataError(f"{where}: expected a weight above 0, found {self.weight!r}")
        object.__setattr__(self, "weight", float(self.weight))
        object.__setattr__(self, "range", _range(where, self.range))
        # In one order, so that equal criteria are described in equal words.
        object.__setattr__(self, "params", dict(sorted(self.params.items())))
        self._check_kind(where)

    def _check_kind(self, where: str) -> None:
        """Raises DataError unless check and parameters fit the kind."""
        if self.kind == "judge":
            if self.check or self.params:
                raise DataError(f"{where}: kind 'judge' has no check and no params; remove them")
            return
        if not self.check:
            raise DataError(f"{where}: kind 'check' needs the name of its check")
        try:
            check_parameters(self.check, self.params, where)
        except SelfplayError as error:
            raise DataError(str(error)) from error

    def share(self, value: float) -> float:
        """A score on the criterion's range, clamped and rescaled to [0, 1]."""
        low, high = self.range
        return (min(max(value, low), high) - low) / (high - low)


@dataclass(frozen=True)
class Rubric:
    """An ordered, bounded list of criteria."""

    criteria: tuple[Criterion, ...]
    name: str = "rubric"
    version: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name.strip()) <= MAX_NAME:
            raise DataError(
                f"rubric: expected a name of 1 to {MAX_NAME} characters, found {self.name!r}"
            )
        if not 1 <= len(self.criteria) <= MAX_CRITERIA:
            raise DataError(
                f"rubric '{self.name}': expected 1 to {MAX_CRITERIA} criteria, "
                f"found {len(self.criteria)}"
            )
        ids = [criterion.id for criterion in self.criteria]
        repeated = sorted({name for name in ids if ids.count(name) > 1})
        if repeated:
            raise DataError(f"rubric '{self.name}': ids are used twice: {', '.join(repeated)}")
        whole = isinstance(self.version, int) and not isinstance(self.version, bool)
        if not whole or self.version < 1:
            raise DataError(
                f"rubric '{self.name}': expected a version of 1 or more, found {self.version!r}"
            )

    @property
    def fingerprint(self) -> str:
        """12 hex digits of a hash over name, version and criteria."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()

    def score(self, values: Mapping[str, float]) -> float:
        """The rubric's score in [0, 1] from one value per criterion id, each on its range.

        Raises:
            DataError: a criterion has no value, or one that is not finite.
        """
        total = largest = deductible = 0.0
        for criterion in self.criteria:
            value = values.get(criterion.id)
            if value is None or not math.isfinite(value):
                raise DataError(
                    f"criterion '{criterion.id}': expected a finite value, found {value}"
                )
            deducts = criterion.sign == "deduction"
            total += criterion.weight * criterion.share(value) * (-1 if deducts else 1)
            deductible += criterion.weight if deducts else 0.0
            largest += criterion.weight
        return min(max((total + deductible) / largest, 0.0), 1.0)

    def to_yaml(self) -> str:
        """The rubric as YAML that `rubric_from_yaml` reads back."""
        criteria = [criterion_as_dict(criterion) for criterion in self.criteria]
        return write_yaml({"name": self.name, "version": self.version, "criteria": criteria})


def criterion_as_dict(criterion: Criterion) -> dict[str, Any]:
    """Plain data in the order of the fields, parameters by name; what its kind lacks is left out.

    Defaults are written out, so that a recorded rubric stays what it was.
    """
    content: dict[str, Any] = json.loads(json.dumps(asdict(criterion)))
    content["params"] = dict(sorted(content["params"].items()))
    if criterion.kind == "judge":
        del content["check"], content["params"]
    return content


def write_yaml(content: Mapping[str, Any]) -> str:
    """Plain data as YAML, keys in the order given."""
    return str(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=100))


def rubric_file(name: str) -> Path:
    """The file of a rubric that is named by its path, or, without a suffix, of one that ships."""
    path = Path(name)
    return path if path.suffix else SHIPPED / f"{name}.yaml"


def read_rubric(path: Path) -> Rubric:
    """The rubric in a YAML file.

    Raises:
        DataError: the file is absent, or is no rubric.
    """
    return read_file(path, rubric_from_yaml)


def read_file(path: Path, parse: Callable[[str], T], what: str = "rubric") -> T:
    """What `parse` makes of the file's text.

    Args:
        path: the file.
        parse: from its text.
        what: it holds, for the message.

    Raises:
        DataError: the file is absent, or `parse` refuses it; names the file.
    """
    with guarded(DataError, f"{what} {shortened(str(path))}: cannot be read"):
        if not path.is_file():
            siblings = [p.name for p in path.parent.glob("*.y*ml")]
            raise DataError(f"{what} {path}: there is no such file; {nearest(path.name, siblings)}")
        text = path.read_text(encoding="utf-8")
    try:
        return parse(text)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def rubric_from_yaml(text: str) -> Rubric:
    """The rubric that `text` spells.

    Raises:
        DataError: no YAML, an unknown or missing key, or a value that a rubric refuses; says where.
    """
    content, lines = read_yaml(text, "rubric")
    given = arguments(content, Rubric, "rubric")
    criteria = criteria_from(given.pop("criteria", None), "criteria", lines)
    return Rubric(criteria, **given)


def criteria_from(content: object, key: str, lines: Lines, *above: str) -> tuple[Criterion, ...]:
    """The criteria of a list under `key`, as YAML has it.

    Raises:
        DataError: no list, or an entry that is no criterion; names line and position.
    """
    if not isinstance(content, list):
        raise DataError(
            f"rubric: expected '{key}', a list with one mapping for each criterion, found "
            f"{type(content).__name__}"
        )
    return tuple(
        _criterion(entry, f"criterion {i + 1}", at_line(lines, *above, key, i))
        for i, entry in enumerate(content)
    )


def _criterion(entry: object, where: str, line: str) -> Criterion:
    try:
        given = arguments(entry, Criterion, where)
        absent = [key for key in ("id", "text") if key not in given]
        if absent:
            raise DataError(f"{where}: needs {' and '.join(absent)}")
        if not isinstance(given.get("params", {}), dict):
            raise DataError(f"{where}: expected params, a mapping, found {given['params']!r}")
        return Criterion(**given)
    except DataError as error:
        raise DataError(f"{line}{error}") from error


def arguments(content: object, kind: type, where: str) -> dict[str, Any]:
    """`content` as keyword arguments of the dataclass `kind`."""
    known = [field.name for field in fields(kind)]
    if not isinstance(content, dict):
        raise DataError(f"{where}: expected a mapping with {', '.join(known)}, found {content!r}")
    for key in content:
        if key not in known:
            raise DataError(f"{where}: there is no key '{key}'; {nearest(str(key), known)}")
    return dict(content)


def _check_text(where: str, text: object) -> None:
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{where}: expected a text that says what is asked, found {text!r}")
    if len(text) > MAX_TEXT:
        raise DataError(
            f"{where}: expected a text of up to {MAX_TEXT} characters, found {len(text)}"
        )


def _one_of(where: str, key: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise DataError(f"{where}: {key} is {' or '.join(allowed)}, found {value!r}")


def _range(where: str, value: Any) -> tuple[float, float]:
    """`value` as a finite, increasing pair."""
    numbers = isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_number, value))
    if not numbers or not -math.inf < value[0] < value[1] < math.inf:
        raise DataError(f"{where}: expected a range [lowest, highest], found {value!r}")
    return (float(value[0]), float(value[1]))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
