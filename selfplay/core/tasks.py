"""Which task a prompt belongs to: tasks partition the prompts.

Multi-task CGPO (Xu et al., 2024, arXiv 2409.20370) gives each task judges, an objective and
hyper-parameters of its own, over disjoint sets of prompts. Here the first task whose condition
holds takes the prompt, so the sets are disjoint whatever the conditions; a prompt that no task
takes is left to the run-wide settings. Roles share this file so that they agree. Torch-free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from selfplay.core.components import load_attribute
from selfplay.core.errors import ConfigError, DataError, require
from selfplay.core.types import Prompt


@dataclass(frozen=True)
class Match:
    """Which prompts a task takes: those for which all the conditions that are given hold."""

    task: tuple[str, ...] = ()
    """The prompt's `task` is one of these: a puzzle's generator, or what the prompt file says."""
    field: str = ""
    """A further column of the prompt file, one of whose `values` the prompt has."""
    values: tuple[str, ...] = ()
    """Compared as text."""
    classifier: str = ""
    """`package.module:function`: from a `Prompt` to a bool, or to the name of its task."""

    def check(self, where: str) -> None:
        """Refuses conditions that say nothing.

        Raises:
            ConfigError: no condition, a field without values, or values without a field.
        """
        require(
            bool(self.task or self.field or self.classifier),
            where,
            "a condition: task, field with values, or classifier",
            "none",
        )
        require(
            bool(self.field) == bool(self.values),
            where,
            "field and values together",
            f"field '{self.field}' and values {list(self.values)}",
        )


class Partition:
    """Tasks in the order in which they may take a prompt."""

    def __init__(self, tasks: Iterable[tuple[str, Match]]) -> None:
        """Takes names with their conditions.

        Raises:
            ConfigError: two tasks have one name, or a classifier cannot be imported.
        """
        self._tasks: list[tuple[str, Match, Callable[[Prompt], object] | None]] = []
        for name, match in tasks:
            if not name or name in [known for known, _, _ in self._tasks]:
                raise ConfigError(f"tasks: expected a name of its own for each, found '{name}'")
            classify = load_attribute(match.classifier, name) if match.classifier else None
            self._tasks.append((name, match, classify))

    def of(self, prompt: Prompt) -> str | None:
        """The name of the prompt's task; None where no task takes it.

        Raises:
            DataError: a classifier returned neither a bool nor a name.
        """
        for name, match, classify in self._tasks:
            if _fits(match, prompt) and (classify is None or _says(classify, name, prompt)):
                return name
        return None


def _fits(match: Match, prompt: Prompt) -> bool:
    named = not match.task or prompt.task in match.task
    return named and (not match.field or str(prompt.extra.get(match.field, "")) in match.values)


def _says(classify: Callable[[Prompt], object], name: str, prompt: Prompt) -> bool:
    found = classify(prompt)
    if isinstance(found, bool):
        return found
    if isinstance(found, str):
        return found == name
    raise DataError(
        f"task '{name}': expected its classifier to return a bool or the name of a task, found "
        f"{found!r} for the prompt that begins '{prompt.text[:60]}'"
    )
