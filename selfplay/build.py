"""The composition root: turns a configuration and a run directory into a game.

What can be refused cheaply is refused first: the lock, the run's own configuration, then prompts
and judges, then the options that are passed through to libraries. The model is loaded last.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from creator.context import CreatorContext
from creator.creator import Creator
from creator.estimators.trial import check_usable
from creator.pool.archive import Archive, LazyPrompts
from creator.pool.pool import IdArray, numbers
from meta.meta import Meta, first_rubric
from meta.rubrics.clusters import fit_clusters
from meta.rubrics.set import RubricSet
from selfplay.config import Loaded, differences, load_values
from selfplay.config.settings import GROWING, RunConfig
from selfplay.core.components import Choice
from selfplay.core.embedding import Embedder
from selfplay.core.errors import ConfigError, DataError, LedgerError
from selfplay.core.gym import Spaces, check_space
from selfplay.core.models.endpoint_options import ASIDE
from selfplay.core.models.factories import new_accounts
from selfplay.core.places import writing
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt
from selfplay.data.prompts import PromptFileOptions, read_prompts
from selfplay.data.recorded import check_ids, read_recorded, to_group
from selfplay.data.sources import checked_prompts, dealt, gym_spaces
from selfplay.data.split import without
from selfplay.game import Game
from selfplay.ledger import Ledger
from selfplay.ledger.lock import RunLock
from selfplay.paths import CREATOR, LEDGER, POLICY, model_directory
from selfplay.process.environment import environment
from selfplay.process.signals import SIGNALS
from selfplay.review.anchoring import Anchoring
from selfplay.review.rubrics import in_force
from selfplay.review.stage import Reviewing
from selfplay.stages.checkpoints import Policies
from selfplay.stages.labels import estimated_from, judged_in
from selfplay.stages.long_prompts import Room
from selfplay.stages.rewriting import network_of
from selfplay.stages.rollouts import Rollouts
from selfplay.stages.scales import scales_by
from selfplay.stages.tasks import (
    refuse_unknown_tasks,
    samples_of,
    solver_config,
    task_judges,
    verified_by,
)
from selfplay.stages.win_rates.stage import win_rates
from selfplay.stopping.clock import Clock
from selfplay.stopping.concluding import Concluding
from solver.learning.team import join
from solver.policy import Policy
from solver.solver import Solver, check_solver, leading_solver

CLUSTERED = 4096
"""Originals that clusters are found in, at most."""


@dataclass(frozen=True)
class Material:
    """What a game is played with, besides the players."""

    spaces: Spaces
    ids: IdArray
    """Of the originals."""
    originals: list[Prompt]
    """Themselves; none once the ledger has them."""
    heldout: list[Prompt]

    @classmethod
    def of(cls, spaces: Spaces, originals: list[Prompt], heldout: list[Prompt]) -> Material:
        """That of a new run."""
        return cls(spaces, numbers([prompt.id for prompt in originals]), originals, heldout)

    def only(self, ids: frozenset[str]) -> Material:
        """What is left where prompts were left out; of a run that goes on, all is there."""
        kept = [prompt for prompt in self.originals if prompt.id in ids]
        heldout = [prompt for prompt in self.heldout if prompt.id in ids]
        if len(kept) == len(self.originals):
            return replace(self, heldout=heldout)
        return Material.of(self.spaces, kept, heldout)


@contextmanager
def open_game(loaded: Loaded[RunConfig], directory: Path) -> Iterator[Game]:
    """The game of a new run in `directory`, or of the run that is there.

    Raises:
        LedgerError: another process owns the run, or it has another configuration.
        ConfigError, DataError, ModelError: something that the configuration names cannot be used.
    """
    began = time.perf_counter()
    new_accounts()
    config = replace(loaded.config, solver=solver_config(loaded.config))
    path = directory / LEDGER
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    with RunLock(directory), ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(path)) if path.exists() else None
        # Where nothing was dealt, there is nothing that another configuration could mix with.
        if ledger is not None and ledger.stage_done(0, "deal"):
            refuse_other_settings(loaded, ledger, directory)
            ledger.check_seals()
        material = ledger and dealt_material(config, ledger)
        material = material or gather(config)
        dealt = ledger is not None and ledger.stage_done(0, "deal")
        rubric = in_force(ledger.rubrics()) if ledger and dealt else started(config, material)
        meta = Meta(config.meta, rubric, task_judges(config))
        check_solver(config.solver)
        check_usable(config.creator.estimator, config.meta.repeats)
        chosen = replace(config.model, path=str(model_directory(config.model.path)))
        solver = leading_solver(chosen, config.solver)
        stack.callback(solver.dismiss)
        if ledger is None:
            ledger = Ledger.create(path, loaded.as_dict(), environment())
            stack.enter_context(ledger)
        elif ledger.settings != loaded.as_dict():
            ledger.amend_settings(loaded.as_dict())
        ledger.decode = solver.decode
        ledger.reply_limit = config.meta.reply_limit if config.meta.keep_replies else 0
        yield seat(config, material, meta, solver, ledger, directory, Clock(ledger, began))


def started(config: RunConfig, material: Material) -> RubricSet | None:
    """The rubric that a run begins with, with clusters of the originals where they are asked for.

    Raises:
        DataError: it cannot be read.
    """
    rubric, per_task = first_rubric(config.meta), config.meta.review.clusters
    if rubric is None or rubric.clusters is not None or not per_task:
        return rubric
    prompts = material.originals[:CLUSTERED]
    model = config.creator.embedder
    vectors_PD = Embedder(model).embed([prompt.text for prompt in prompts])
    clusters = fit_clusters(prompts, vectors_PD, per_task, model, Seed(config.seed).at("clusters"))
    return replace(rubric, clusters=clusters)


def refuse_other_settings(loaded: Loaded[RunConfig], ledger: Ledger, directory: Path) -> None:
    """Compares the configuration with the run's own.

    Raises:
        LedgerError: they differ in a way that would mix experiments; names the keys.
    """
    now = loaded.as_dict()
    changed = differences(completed(ledger.settings), now, {*GROWING, *patience_keys(now)})
    if changed:
        raise LedgerError(
            f"{directory} holds a run with another configuration; these keys differ: "
            f"{', '.join(changed)}. Choose another --out for the new one, or leave them as they "
            f"are to go on (only {', '.join(sorted(GROWING))} may change, and how long servers are "
            "waited for)"
        )


def completed(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run's settings with the defaults of what its release did not have yet.

    As they are where one of them is no longer known: the differences then say which.
    """
    try:
        return load_values(settings, "the run's settings", RunConfig).as_dict()
    except ConfigError:
        return settings


def patience_keys(settings: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Dotted keys of what changes no answer of a server: how patiently it is asked, its prices."""
    if "base_url" in settings:
        yield from (f"{where}{name}" for name in ASIDE)
    for name, value in settings.items():
        for i, part in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(part, Mapping):
                place = f"{where}{name}.{i}." if isinstance(value, list) else f"{where}{name}."
                yield from patience_keys(part, place)


def gather(config: RunConfig) -> Material:
    """Reads or makes the prompts, and takes the held-out ones away from the others.

    Raises:
        ConfigError: a space that reasoning-gym does not have.
        DataError: a prompt file cannot be used, or nothing is left to train on.
    """
    spaces = checked_spaces(config)
    seed = Seed(config.seed)

    def read(choice: Choice, operator: str, prompts: Sequence[Prompt] = ()) -> list[Prompt]:
        found = checked_prompts(choice.build(spaces, seed.at(operator), prompts), choice.name)
        distinct = {prompt.id: prompt for prompt in reversed(found)}
        return [dealt(prompt, operator) for prompt in reversed(distinct.values())]

    prompts = read(config.prompts, "original")
    heldout = read(config.evaluation.source, "heldout", prompts)
    originals = without(prompts, heldout)
    if not originals:
        raise DataError("no prompt is left to train on once the held-out ones are taken away")
    refuse_unknown_tasks(config, originals)
    verifies = verified_by(config)
    verified = [prompt for prompt in originals if verifies(prompt)]
    if verified and not any(map(verifiable, verified)):
        raise DataError(
            "the verifier needs gold answers, and none of the prompts that it is to judge has one; "
            "add a column with answers (prompts.answer names it), or choose other judges "
            "(meta.judge, meta.constraints, tasks)"
        )
    return Material.of(spaces, originals, heldout)


def checked_spaces(config: RunConfig) -> Spaces:
    """The configuration's difficulty spaces.

    Raises:
        ConfigError: a generator, attribute or level that reasoning-gym does not have.
    """
    spaces = gym_spaces(config.spaces)
    for space in spaces.values():
        check_space(space)
    return spaces


def verifiable(prompt: Prompt) -> bool:
    """Can the verifier say whether an answer to it is right?"""
    return prompt.answer is not None or prompt.puzzle is not None


def dealt_material(config: RunConfig, ledger: Ledger) -> Material | None:
    """The prompts that the run started with; None if it stopped before that.

    They are read from the ledger and not made again: a prompt file may have changed since.
    """
    if not ledger.stage_done(0, "deal"):
        return None
    ids = numbers(ledger.ids_made_by("original"))
    return Material(checked_spaces(config), ids, [], ledger.made_by("heldout"))


def follow() -> None:
    """In the other processes of a launch: loads the first one's policy and learns with it.

    Raises:
        ResourceError: a process of the launch is gone.
        ModelError: the model cannot be used here.
    """
    team = join()
    # Whoever sends signals means the first process, which lets this one go.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    chosen, config = team.hear()
    Solver(config, Policy.load(chosen, config, team)).follow()
    team.leave()


def seat(
    config: RunConfig,
    material: Material,
    meta: Meta,
    solver: Solver,
    ledger: Ledger,
    directory: Path,
    clock: Clock,
) -> Game:
    """Puts the players at the table."""
    seed = Seed(config.seed)
    sampling = config.solver.sampling
    recorded = [] if ledger.stage_done(0, "deal") else recorded_groups(config, material, solver)
    space = Room.of(config, solver)
    fitting = space.kept(
        [*material.originals, *(group.prompt for group in recorded)], material.heldout
    )
    recorded = [group for group in recorded if group.prompt.id in fitting]
    material = material.only(fitting)
    room = space.tokens
    with writing(directory):
        (directory / CREATOR).mkdir(exist_ok=True)
    network = network_of(config, directory, ledger)
    meta.meet(solver.policy.model)
    embedder = Embedder(config.creator.embedder)
    if config.creator.compares_meanings and not ledger.stage_done(0, "deal"):
        embedder.embed([])  # a model that cannot be loaded is said now, not rounds later
    ledger.keep_scales(meta.scales)
    surroundings = CreatorContext(
        archive=Archive(ledger),
        known=ledger.archived,
        heldout=frozenset(prompt.normalized for prompt in material.heldout),
        lengths=solver.prompt_lengths,
        max_tokens=room,
        embedder=embedder,
        read_texts=benchmark_texts,
        final_answer=meta.verifier.final_answer,
        scales=scales_by(config, meta.scales),
        spaces=material.spaces,
        directory=directory / CREATOR,
    )
    rollouts = Rollouts(ledger, solver, sampling, seed, config.chunk, samples_of(config))
    anchoring = Anchoring(
        ledger,
        rollouts,
        sampling,
        seed,
        fits=lambda prompts: [n <= room for n in solver.prompt_lengths(prompts)],
        max_missing=config.max_missing,
    )
    return Game(
        config=config,
        directory=directory,
        seed=seed,
        ledger=ledger,
        creator=Creator(
            config.creator,
            ledger,
            surroundings,
            partial(estimated_from, ledger),
            partial(judged_in, ledger),
            seed,
        ),
        solver=solver,
        meta=meta,
        rewriter=network.model or config.creator.rewriter.build(solver.policy.model),
        network=network,
        rollouts=rollouts,
        anchoring=anchoring,
        reviewing=Reviewing(
            meta,
            ledger,
            rollouts,
            anchoring,
            seed,
            solver.policy.model,
            directory,
            config.max_missing,
        ),
        win_rates=win_rates(config, material.heldout, ledger, rollouts),
        policies=Policies(directory / POLICY, config.save, ledger),
        clock=clock,
        concluding=Concluding(config, ledger, clock, embedder.embed),
        dealt=material.originals,
        originals=LazyPrompts.of(ledger, material.ids),
        heldout=material.heldout,
        recorded=recorded,
    )


def benchmark_texts(path: str) -> list[str]:
    """The prompts' texts in a benchmark's file.

    Raises:
        DataError: the file cannot be read as prompts.
    """
    return [prompt.text for prompt in read_prompts(PromptFileOptions(path)).prompts]


def recorded_groups(config: RunConfig, material: Material, solver: Solver) -> list[Group]:
    """Recorded groups for the first round's estimates; nothing is learned from them.

    Those of held-out prompts are left out, since their prompts could be evolved or asked again.
    """
    if config.recorded is None:
        return []
    records = read_recorded(Path(config.recorded))
    check_ids(records, solver.vocabulary)
    groups = [to_group(found, solver.tokenize, "estimate") for found in records]
    allowed = {p.id for p in without([group.prompt for group in groups], material.heldout)}
    return [
        replace(group, prompt=dealt(group.prompt, "imported"))
        for group in groups
        if group.prompt.id in allowed
    ]
