"""What changed from one rubric to another: criteria added, removed, changed, put in another order.

Criteria are told apart by their ids, so one that was renamed is one removed and one added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meta.rubrics.rubric import Criterion, Rubric, criterion_as_dict


@dataclass(frozen=True)
class Change:
    """One field of one criterion."""

    id: str
    """Of the criterion."""
    field: str
    """`weight`, `text`, …; a parameter of the check is `params.NAME`."""
    before: Any
    """None where a parameter was not given."""
    after: Any


@dataclass(frozen=True)
class RubricDiff:
    """From one rubric to another; false where the criteria are the same."""

    added: tuple[Criterion, ...] = ()
    removed: tuple[Criterion, ...] = ()
    changed: tuple[Change, ...] = ()
    reordered: bool = False
    """Whether the criteria that both have stand in another order, as a judge is shown them."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.reordered)

    def words(self) -> list[str]:
        """One line for each difference."""
        lines = [f"removes {_described(criterion)}" for criterion in self.removed]
        lines += [f"adds {_described(criterion)}" for criterion in self.added]
        lines += [
            f"changes {c.field} of '{c.id}' from {_value(c.before)} to {_value(c.after)}"
            for c in self.changed
        ]
        return [*lines, "puts the criteria in another order"] if self.reordered else lines

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON and for a reviewer that reads it."""
        return {
            "added": [criterion_as_dict(criterion) for criterion in self.added],
            "removed": [criterion_as_dict(criterion) for criterion in self.removed],
            "changed": [
                {"id": c.id, "field": c.field, "before": c.before, "after": c.after}
                for c in self.changed
            ],
            "reordered": self.reordered,
        }


def diff(before: Rubric, after: Rubric) -> RubricDiff:
    """What has to be done to `before` to get `after`; name and version say nothing."""
    old = {criterion.id: criterion for criterion in before.criteria}
    new = {criterion.id: criterion for criterion in after.criteria}
    shared = [id_ for id_ in old if id_ in new]
    return RubricDiff(
        added=tuple(criterion for id_, criterion in new.items() if id_ not in old),
        removed=tuple(criterion for id_, criterion in old.items() if id_ not in new),
        changed=tuple(change for id_ in shared for change in _changes(old[id_], new[id_])),
        reordered=shared != [id_ for id_ in new if id_ in old],
    )


def _changes(before: Criterion, after: Criterion) -> list[Change]:
    old, new = _flat(before), _flat(after)
    fields = list(dict.fromkeys([*old, *new]))
    return [
        Change(before.id, field, old.get(field), new.get(field))
        for field in fields
        if old.get(field) != new.get(field)
    ]


def _flat(criterion: Criterion) -> dict[str, Any]:
    content = criterion_as_dict(criterion)
    params = content.pop("params", {})
    return content | {f"params.{name}": value for name, value in params.items()}


def _described(criterion: Criterion) -> str:
    check = f" by check {criterion.check}" if criterion.kind == "check" else ""
    params = ", ".join(f"{name}={_value(value)}" for name, value in criterion.params.items())
    given = f" ({params})" if params else ""
    return (
        f"the {criterion.sign} '{criterion.id}', weight {criterion.weight:g}{check}{given}: "
        f"{criterion.text.rstrip('.')}"
    )


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{value:g}" if isinstance(value, float) else repr(value)
