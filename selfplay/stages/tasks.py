"""A run's tasks, dealt out to the roles: samples, judges and objectives by kind of prompt.

Each role partitions the prompts by the same conditions (`selfplay.core.tasks`), so they agree on
which task a prompt belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from meta.config import TaskJudges
from selfplay.config.settings import RunConfig
from selfplay.core.components import chosen
from selfplay.core.errors import nearest, require
from selfplay.core.tasks import Match, Partition
from selfplay.core.types import Prompt
from selfplay.stages.rewriting import REWRITING
from solver.config import SolverConfig
from solver.objectives.rows.combined import TaskObjective, TasksOptions
from solver.objectives.table import OBJECTIVES


def solver_config(config: RunConfig) -> SolverConfig:
    """The solver's part, its objective being that of all tasks together where there are tasks.

    Where the solver learns to write prompts too, that is one of them.
    """
    common = config.solver.objective
    tasks = [
        TaskObjective(task.name, task.match, task.objective or common, task.weight)
        for task in config.tasks
    ]
    training = config.creator.training
    if config.creator.trains_policy and REWRITING not in [task.name for task in tasks]:
        writing = Match(task=(REWRITING,))
        tasks.append(TaskObjective(REWRITING, writing, common, training.weight))
    if not tasks:
        return config.solver
    options = TasksOptions(tuple(tasks), common)
    return replace(config.solver, objective=chosen("tasks", OBJECTIVES, options))


def task_judges(config: RunConfig) -> list[TaskJudges]:
    """Who judges the prompts of each task."""
    common = config.meta
    return [
        TaskJudges(
            task.name,
            task.match,
            task.judge or common.judge,
            common.constraints if task.constraints is None else task.constraints,
        )
        for task in config.tasks
    ]


def verified_by(config: RunConfig) -> Callable[[Prompt], bool]:
    """Whether a prompt's responses are judged by the verifier, as reward or as constraint."""
    partition = Partition((task.name, task.match) for task in config.tasks)
    panels = {task.name: (task.judge, task.constraints) for task in task_judges(config)}
    common = (config.meta.judge, config.meta.constraints)

    def verifies(prompt: Prompt) -> bool:
        judge, constraints = panels.get(partition.of(prompt) or "", common)
        judges = [judge, *(constraint.judge for constraint in constraints)]
        return any(judge.name == "verifier" for judge in judges)

    return verifies


def refuse_unknown_tasks(config: RunConfig, prompts: Sequence[Prompt]) -> None:
    """Refuses quotas and conditions for tasks that no prompt is of: they would do nothing.

    Children have the tasks of their parents, so the originals' are all there are.

    Raises:
        ConfigError: names the key, the task and the nearest one.
    """
    if config.recorded is not None:  # recorded prompts may bring tasks of their own
        return
    named = {"creator.pool.quotas": list(config.creator.pool.quotas)}
    named["creator.sampler.shares"] = list(getattr(config.creator.sampler.options, "shares", ()))
    for i, task in enumerate(config.tasks):
        named[f"tasks.{i}.match.task"] = [name for name in task.match.task if name != REWRITING]
    known = {prompt.task for prompt in prompts}
    for where, names in named.items():
        for name in names:
            hint = f"'{name}'; {nearest(name, known)}"
            require(name in known, where, "tasks that prompts are of", hint)


def samples_of(config: RunConfig) -> Callable[[Prompt], int]:
    """How many training responses a prompt gets."""
    partition = Partition((task.name, task.match) for task in config.tasks)
    counts = {task.name: task.samples for task in config.tasks}
    common = config.solver.sampling.n

    def samples(prompt: Prompt) -> int:
        name = partition.of(prompt)
        return (counts[name] if name is not None else None) or common

    return samples
