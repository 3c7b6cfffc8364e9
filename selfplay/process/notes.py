"""What is worth knowing before a run or a job begins, though nothing is wrong. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from selfplay.config.settings import RunConfig, TaskConfig
from selfplay.core.components import Choice
from selfplay.core.types import Group, Prompt
from solver.config import SolverConfig
from solver.learning.team import world_size
from solver.learning.trl_options import acting
from solver.objectives.needs import chosen_rows, needs_of


def run_notes(config: RunConfig) -> list[str]:
    """Of a run: how many processes learn, what an objective misses or takes for what it is not."""
    common = config.solver.objective
    parts = [("meta.constraints", common, config.meta.constraints)]
    for i, task in enumerate(config.tasks):
        # A task without constraints of its own has those of the run, which are spoken of already.
        own = task.constraints is not None or task.objective is not None
        where = f"tasks.{i}.constraints" if task.constraints is not None else "meta.constraints"
        constraints = config.meta.constraints if task.constraints is None else task.constraints
        parts += [(where, task.objective or common, constraints)] if own else []
    missing = [
        f"{objective.name} keeps to constraints, and {where} has none: no response breaks one, and "
        "the reward alone decides"
        for where, objective, constraints in parts
        if _constrained(objective) and not constraints
    ]
    return [*_processes(), *dict.fromkeys(missing), *_truncation(config)]


def _truncation(config: RunConfig) -> list[str]:
    """Policy gradients on responses that are not drawn from the policy's whole distribution."""
    sampling = config.solver.sampling
    if sampling.top_p == 1.0 and sampling.top_k == 0 and not sampling.greedy:
        return []
    learned = [config.solver.objective, *(task.objective for task in config.tasks)]
    names = {choice.name for choice in learned if choice and "sampling" in needs_of(choice)}
    return [
        f"{name} is a policy gradient, and takes responses for drawn from the whole distribution, "
        "from which solver.sampling (temperature 0, top_p or top_k) cuts the rest off; the metric "
        "generation_truncation says how far they are apart"
        for name in sorted(names)
    ]


def dealt_notes(originals: Sequence[Prompt], heldout: Sequence[Prompt]) -> list[str]:
    """Of a new run's prompts: the share of them that nearly copies a held-out one.

    As the gate `contamination` tells copies by words: numbers aside, and with a story around them.
    Puzzles are left out, which share their generators' templates.
    """
    asked = [prompt for prompt in originals if prompt.puzzle is None]
    tested = [prompt for prompt in heldout if prompt.puzzle is None]
    if not asked or not tested:
        return []
    from creator.gates.contamination import near_copies  # NumPy

    copies = near_copies(asked, tested)
    if not copies:
        return []
    first = " ".join(asked[copies[0]].text.split())[:60]
    note = (
        f"{len(copies) / len(asked):.1%} of the prompts to train on ({len(copies):,} of "
        f"{len(asked):,}) nearly copy a held-out one, so held-out accuracy says less; the first "
        f"begins '{first}'"
    )
    return [note]


def job_notes(objective: Choice, groups: Sequence[Group]) -> list[str]:
    """Of an offline job on `groups`: the same, its constraints being those that were recorded."""
    broken = any(verdict.violations for group in groups for verdict in group.verdicts)
    if broken or not _constrained(objective):
        return _processes()
    missing = (
        f"{objective.name} keeps to constraints, and no recorded response breaks one "
        "(`violations`): the reward alone decides"
    )
    return [*_processes(), missing]


def loss_notes(solver: SolverConfig, tasks: Sequence[TaskConfig] = ()) -> list[str]:
    """What TRL is told of each loss that it computes: the options that act in it."""
    computed = [(choice, row) for choice, row in chosen_rows([solver, *tasks]) if row.trainer]
    return list(dict.fromkeys(_told(choice, row.trainer, solver.trl) for choice, row in computed))


def length_notes(solver: SolverConfig) -> list[str]:
    """Penalties on length that cannot be taken, since nobody knows where responses were cut off."""
    if solver.sampling.limit is not None:
        return []
    return [
        f"{choice.name} takes nothing from over-long responses: recorded data does not say at how "
        "many tokens they were cut off; solver.objective.max_length does"
        for choice, _ in chosen_rows(solver)
        if getattr(choice.options, "overlong", 0) and choice.options.max_length is None
    ]


def _told(choice: Choice, trainer: str, trl: Mapping[str, Any]) -> str:
    own = choice.options.trl() if hasattr(choice.options, "trl") else {}
    said = [f"{name}={json.dumps(value)}" for name, value in acting(trainer, own, trl).items()]
    return f"{choice.name} is computed by TRL's {trainer} with {', '.join(said)}"


def _constrained(objective: Choice) -> bool:
    return "constraints" in needs_of(objective)


def _processes() -> list[str]:
    size = world_size()
    return [f"{size} processes learn together"] if size > 1 else []
