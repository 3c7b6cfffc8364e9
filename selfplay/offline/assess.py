"""Held-out accuracy, and judged win rates, of a model outside a run; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from meta.meta import Meta
from selfplay.build import dealt_material, gather
from selfplay.config.settings import RunConfig
from selfplay.config.win_rates import FIRST
from selfplay.core.errors import ConfigError, DataError, LedgerError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER, POLICY, model_directory
from selfplay.stages.evaluation import accuracy, samplings
from selfplay.stages.long_prompts import Room
from selfplay.stages.win_rates.contests import (
    METRIC,
    WinJudge,
    answers_label,
    contests,
    differing,
    ended,
    recorded_answers,
)
from selfplay.stages.win_rates.win_rates import rates
from solver.config import LoraConfig
from solver.policy import Policy
from solver.solver import Solver

Item = TypeVar("Item")


def policy_to_assess(
    config: RunConfig, directory: Path | None, version: int | None, model: str | None
) -> Path:
    """The model directory that is meant: `model`, a version of the run, or the configured one.

    Raises:
        ConfigError: a version is asked for together with a model, or without a run.
        LedgerError: the run does not keep that version; says which it keeps.
    """
    if version is not None and (model is not None or directory is None):
        raise ConfigError("--version names a version of a run directory, and goes without --model")
    if model is not None:
        return model_directory(model)
    if directory is None:
        return model_directory(config.model.path)
    kept = sorted(int(path.name) for path in (directory / POLICY).glob("[0-9]*"))
    if version is not None and version not in kept:
        raise LedgerError(f"{directory} has no policy version {version}; it keeps {kept}")
    if not kept:
        return model_directory(config.model.path)
    return directory / POLICY / str(kept[-1] if version is None else version)


def heldout_prompts(config: RunConfig, directory: Path | None) -> list[Prompt]:
    """Those of the run in `directory`; without one, those of the configuration."""
    if directory is None:
        return gather(config).heldout
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        material = dealt_material(config, ledger)
    return (material or gather(config)).heldout


def assess(
    config: RunConfig, directory: Path | None, path: Path
) -> Iterator[tuple[str, dict[str, float]]]:
    """The accuracy for each way of asking, as (metric name, metrics); yields as they come.

    With `evaluation.judged.enabled` the win rates come last.

    Args:
        config: how to ask, and the held-out prompts.
        directory: a run whose own held-out prompts are taken, where there is one.
        path: the model.

    Raises:
        DataError: the configuration holds nothing out, or prompts that are too long for the model
            and not to be left out (`prompts.long`).
        ModelError: the model cannot be loaded.
    """
    heldout = heldout_prompts(config, directory)
    if not heldout:
        raise DataError("the configuration holds no prompts out; set evaluation.source")
    judged = config.evaluation.judged
    judge = WinJudge(config) if judged.enabled else None
    solver, verifier = solver_of(config, path), Meta(config.meta).verifier
    room = Room.of(config, solver).kept((), heldout)
    heldout = [prompt for prompt in heldout if prompt.id in room]
    if not heldout:
        raise DataError("no held-out prompt is left: all are longer than the model has room for")
    found: dict[str, list[Group]] = {}
    for label in samplings(config.evaluation, config.solver.sampling, edge=True):
        found[label] = answered(config, solver, heldout, label)
        verdicts = [v for some in chunks(found[label], config.chunk) for v in verifier.judge(some)]
        pairs = zip(found[label], verdicts, strict=True)
        yield label, accuracy([g.judged(v, verifier.fingerprint) for g, v in pairs], label)
    if judge:
        yield METRIC, compared(config, directory, heldout, judge, found[answers_label(judged)])


def compared(
    config: RunConfig,
    directory: Path | None,
    heldout: Sequence[Prompt],
    judge: WinJudge,
    answers: Sequence[Group],
) -> dict[str, float]:
    """The win rates of answers to the held-out prompts, as `evaluation.judged` has them judged.

    Raises:
        DataError: the reference's file cannot be used.
        ModelError: the first policy cannot be loaded.
    """
    judged = config.evaluation.judged
    if judged.reference == FIRST:
        path = policy_to_assess(config, directory, first_of(directory), None)
        first = answered(config, solver_of(config, path), heldout, answers_label(judged))
        references = {group.prompt.id: group for group in first}
    else:
        references = recorded_answers(judged, heldout)
    pairs = contests(answers, references, judged.prompts)
    asked = chunks(differing(pairs), config.chunk)
    verdicts = [found for some in asked for found in judge.judge(some)]
    return rates(ended(pairs, verdicts, judged.weighted), METRIC)


def solver_of(config: RunConfig, path: Path) -> Solver:
    """Who answers: the model in `path`.

    Raises:
        ModelError: it cannot be loaded.
    """
    # An adapter's directory brings its adapter along; only a run puts a new one on top.
    chosen = replace(config.model, path=str(path), lora=LoraConfig())
    return Solver(config.solver, Policy.load(chosen, config.solver))


def first_of(directory: Path | None) -> int | None:
    """The version of a run's first policy, where it keeps that."""
    return 0 if directory is not None and (directory / POLICY / "0").is_dir() else None


def answered(
    config: RunConfig, solver: Solver, heldout: Sequence[Prompt], label: str
) -> list[Group]:
    """The held-out prompts asked as `label` says, not judged yet."""
    sampling = samplings(config.evaluation, config.solver.sampling, edge=True)[label]
    seed = Seed(config.seed, ("assess",))
    groups: list[Group] = []
    for start, chunk in enumerate(chunks(heldout, config.chunk)):
        answers = solver.respond(chunk, seed.at(label, start * config.chunk), sampling)
        groups += [
            Group(prompt, responses, "evaluate", solver.version)
            for prompt, responses in zip(chunk, answers, strict=True)
        ]
    return groups


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items, `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
