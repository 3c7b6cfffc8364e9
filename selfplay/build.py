"""The composition root: turns a configuration and a run directory into a game.

What can be refused cheaply is refused first: the lock, the run's own configuration, then prompts
and judges, then the options that are passed through to libraries. The model is loaded last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from creator.creator import Creator
from creator.gates import Surroundings
from creator.operators import Spaces
from meta.meta import Meta
from selfplay.config import Loaded, differences
from selfplay.core.components import Choice
from selfplay.core.errors import DataError, LedgerError
from selfplay.core.gym import check_space
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt
from selfplay.data.recorded import read_recorded, to_group
from selfplay.data.sources import dealt, gym_spaces
from selfplay.data.split import without
from selfplay.environment import environment
from selfplay.game import Game
from selfplay.ledger import Ledger
from selfplay.ledger.lock import RunLock
from selfplay.paths import LEDGER, POLICY, model_directory
from selfplay.policies import Policies, writing
from selfplay.rollouts import Rollouts
from selfplay.settings import GROWING, RunConfig
from solver.policy import Policy
from solver.solver import Solver


@dataclass(frozen=True)
class Material:
    """What a game is played with, besides the players."""

    spaces: Spaces
    originals: list[Prompt]
    heldout: list[Prompt]


@contextmanager
def open_game(loaded: Loaded[RunConfig], directory: Path) -> Iterator[Game]:
    """The game of a new run in `directory`, or of the run that is there.

    Raises:
        LedgerError: another process owns the run, or it has another configuration.
        ConfigError, DataError, ModelError: something that the configuration names cannot be used.
    """
    config = loaded.config
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    with RunLock(directory):
        exists = (directory / LEDGER).exists()
        if exists:
            refuse_other_settings(loaded, directory)
        material = dealt_material(config, directory) if exists else None
        material = material or gather(config)
        meta = Meta(config.meta)
        solver = Solver(config.solver, load_policy(config))
        with open_ledger(loaded, directory, exists) as ledger:
            ledger.decode = solver.decode
            yield seat(config, material, meta, solver, ledger, directory)


def refuse_other_settings(loaded: Loaded[RunConfig], directory: Path) -> None:
    """Compares the configuration with the run's own.

    Raises:
        LedgerError: they differ in a way that would mix experiments; names the keys.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        changed = differences(ledger.settings, loaded.as_dict(), set(GROWING))
    if changed:
        raise LedgerError(
            f"{directory} holds a run with another configuration; these keys differ: "
            f"{', '.join(changed)}. Choose another --out for the new one, or leave them as they "
            f"are to go on (only {', '.join(sorted(GROWING))} may change)"
        )


def gather(config: RunConfig) -> Material:
    """Reads or makes the prompts, and takes the held-out ones away from the others.

    Raises:
        ConfigError: a space that reasoning-gym does not have.
        DataError: a prompt file cannot be used, or nothing is left to train on.
    """
    spaces = checked_spaces(config)
    seed = Seed(config.seed)

    def read(choice: Choice, operator: str, prompts: Sequence[Prompt] = ()) -> list[Prompt]:
        found = choice.build(spaces, seed.at(operator), prompts)
        return [dealt(prompt, operator) for prompt in found]

    prompts = read(config.prompts, "original")
    heldout = read(config.evaluation.source, "heldout", prompts)
    originals = without(prompts, heldout)
    if not originals:
        raise DataError("no prompt is left to train on once the held-out ones are taken away")
    return Material(spaces, originals, heldout)


def checked_spaces(config: RunConfig) -> Spaces:
    """The configuration's difficulty spaces.

    Raises:
        ConfigError: a generator, attribute or level that reasoning-gym does not have.
    """
    spaces = gym_spaces(config.spaces)
    for space in spaces.values():
        check_space(space)
    return spaces


def dealt_material(config: RunConfig, directory: Path) -> Material | None:
    """The prompts that the run in `directory` started with; None if it stopped before that.

    They are read from the ledger and not made again: a prompt file may have changed since.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        if not ledger.stage_done(0, "deal"):
            return None
        originals, heldout = ledger.made_by("original"), ledger.made_by("heldout")
    return Material(checked_spaces(config), originals, heldout)


def load_policy(config: RunConfig) -> Policy:
    """The policy at version 0."""
    path = str(model_directory(config.model.path))
    return Policy.load(replace(config.model, path=path), config.solver)


@contextmanager
def open_ledger(loaded: Loaded[RunConfig], directory: Path, exists: bool) -> Iterator[Ledger]:
    """The run's ledger, made where there is none; settings that may grow are updated."""
    path, settings = directory / LEDGER, loaded.as_dict()
    with Ledger.open(path) if exists else Ledger.create(path, settings, environment()) as ledger:
        if ledger.settings != settings:
            ledger.amend_settings(settings)
        yield ledger


def seat(
    config: RunConfig,
    material: Material,
    meta: Meta,
    solver: Solver,
    ledger: Ledger,
    directory: Path,
) -> Game:
    """Puts the players at the table."""
    seed = Seed(config.seed)
    sampling = config.solver.sampling
    room = solver.context - sampling.max_new_tokens
    refuse_long([*material.originals, *material.heldout], solver, room)
    surroundings = Surroundings(
        known=ledger.known,
        heldout=frozenset(prompt.text for prompt in material.heldout),
        lengths=solver.prompt_lengths,
        max_tokens=room,
    )
    return Game(
        config=config,
        seed=seed,
        ledger=ledger,
        creator=Creator(config.creator, ledger, surroundings, material.spaces),
        solver=solver,
        meta=meta,
        rollouts=Rollouts(ledger, solver, sampling, seed, config.chunk),
        policies=Policies(directory / POLICY, config.save, ledger),
        originals=material.originals,
        heldout=material.heldout,
        recorded=recorded_groups(config, solver),
    )


def refuse_long(prompts: Sequence[Prompt], solver: Solver, room: int) -> None:
    """Prompts that leave no room for an answer end the run before it begins.

    Raises:
        DataError: says how many there are, how long the first is and how it begins.
    """
    lengths = solver.prompt_lengths(prompts)
    long = [i for i, length in enumerate(lengths) if length > room]
    if long:
        raise DataError(
            f"{len(long)} of {len(prompts)} prompts are longer than the {room} tokens that the "
            f"model's context of {solver.context} leaves beside max_new_tokens; the first has "
            f"{lengths[long[0]]} and begins '{prompts[long[0]].text[:60]}'. Drop them, lower "
            "solver.sampling.max_new_tokens, or take a model with a longer context"
        )


def recorded_groups(config: RunConfig, solver: Solver) -> list[Group]:
    """Recorded groups for the first round's estimates; nothing is learned from them."""
    if config.recorded is None:
        return []
    groups = [
        to_group(found, solver.tokenize, "estimate")
        for found in read_recorded(Path(config.recorded))
    ]
    return [replace(group, prompt=dealt(group.prompt, "imported")) for group in groups]
