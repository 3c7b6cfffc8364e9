"""Held-out accuracy of a model outside a run; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from meta.meta import Meta
from selfplay.build import dealt_material, gather
from selfplay.core.errors import ConfigError, DataError, LedgerError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt
from selfplay.evaluation import accuracy, samplings
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER, POLICY, model_directory
from selfplay.settings import RunConfig
from solver.config import LoraConfig
from solver.policy import Policy
from solver.solver import Solver


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

    Args:
        config: how to ask, and the held-out prompts.
        directory: a run whose own held-out prompts are taken, where there is one.
        path: the model.

    Raises:
        DataError: the configuration holds nothing out.
        ModelError: the model cannot be loaded.
    """
    heldout = heldout_prompts(config, directory)
    if not heldout:
        raise DataError("the configuration holds no prompts out; set evaluation.source")
    # An adapter's directory brings its adapter along; only a run puts a new one on top.
    chosen = replace(config.model, path=str(path), lora=LoraConfig())
    policy = Policy.load(chosen, config.solver)
    solver, verifier = Solver(config.solver, policy), Meta(config.meta).verifier
    seed = Seed(config.seed, ("assess",))
    for label, sampling in samplings(config.evaluation, config.solver.sampling, edge=True).items():
        groups: list[Group] = []
        for start in range(0, len(heldout), config.chunk):
            chunk = heldout[start : start + config.chunk]
            answers = solver.respond(chunk, seed.at(label, start), sampling)
            asked = [
                Group(prompt, responses, "evaluate", solver.version)
                for prompt, responses in zip(chunk, answers, strict=True)
            ]
            for group, verdicts in zip(asked, verifier.judge(asked), strict=True):
                groups.append(group.judged(verdicts, verifier.fingerprint))
        yield label, accuracy(groups, label)
