"""`selfplay train`: one offline learning job on recorded groups or comparisons."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli.output import say, say_json

if TYPE_CHECKING:
    from selfplay.config import Loaded
    from selfplay.offline.train import BatchDone, Trained
    from selfplay.offline.train_config import TrainConfig

SHOWN = ("loss", "accuracy", "kl", "grad_norm")
"""Metrics of a line, in order."""
LINES = 20
"""About how many lines a job prints where there is no terminal."""


def train(
    data: Annotated[
        Path, typer.Argument(help="Recorded groups or comparisons (JSONL and others).")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, for example solver.learning_rate=1e-5.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model directory or name to start from.")
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="What to minimise: dpo, rm, sft and others.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Default: runs/train-<objective>.")] = None,
    source: Annotated[
        Path | None, typer.Option("--config", help="A YAML file with the job's configuration.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per batch.")] = False,
) -> None:
    """Train on recorded responses, without a game; go on with a job that stopped.

    Under torchrun or accelerate launch, several processes learn together.
    """
    from solver.learning.team import is_follower

    if is_follower():
        from selfplay.build import follow

        follow()
        return
    changes = [f"data={json.dumps(str(data))}"]
    changes += [f"model={json.dumps(model)}"] if model else []
    changes += [f"solver.objective={objective}"] if objective else []
    if not as_json:
        say("loading the libraries and the model …")
    from selfplay.config import load_config
    from selfplay.offline.train_config import TrainConfig

    loaded = load_config(source, [*changes, *(overrides or [])], TrainConfig)
    directory = out or Path("runs") / f"train-{loaded.config.solver.objective.name}"
    began = time.perf_counter()
    trained = _carried_out(loaded, directory, as_json)
    if as_json:
        say_json(json.dumps(trained.as_dict()))
    else:
        _show(trained, loaded.config, time.perf_counter() - began)


def _carried_out(loaded: Loaded[TrainConfig], directory: Path, as_json: bool) -> Trained:
    """What the job made; ends the command if it is interrupted."""
    from selfplay.offline.train import carry_out
    from selfplay.process.signals import Interruption, LeavingError

    def watch(done: BatchDone) -> None:
        _tell(done, as_json)
        if done.version < done.total:
            interruption.leave_if_requested()

    with Interruption() as interruption:
        try:
            return carry_out(loaded, directory, watch, _note)
        except LeavingError:
            say(f"interrupted; the same command goes on from {directory}", err=True)
            raise typer.Exit(130) from None


def _note(note: str) -> None:
    say(f"note: {note}", err=True)


def _tell(done: BatchDone, as_json: bool) -> None:
    if as_json:
        say_json(json.dumps({"version": done.version, "metrics": dict(done.metrics)}))
        return
    parts = [f"batch {done.version}/{done.total}"]
    parts += [f"{name} {done.metrics[name]:.3f}" for name in SHOWN if name in done.metrics]
    line = " · ".join(parts)
    if sys.stdout.isatty():
        end = "\n" if done.version == done.total else ""
        sys.stdout.write(f"\r\x1b[K{line}{end}")
        sys.stdout.flush()
    elif done.version == done.total or done.version % max(1, done.total // LINES) == 0:
        say(line)


def _show(trained: Trained, config: TrainConfig, seconds: float) -> None:
    """Prints the job's figures and what to do next."""
    tokens = sum(batch["tokens"] for batch in trained.batches)
    say(
        f"\n{trained.groups:,} groups, {len(trained.batches):,} batches, {tokens:,.0f} tokens, "
        f"{seconds:,.0f} s"
    )
    if trained.peak_bytes is not None:
        say(f"learning took {trained.peak_bytes / 2**20:,.0f} MiB at most")
    if trained.too_long:
        say(f"{trained.too_long:,} responses are longer than the context and were left out")
    for name in ("loss", "accuracy"):
        values = [batch[name] for batch in trained.batches if name in batch]
        if len(values) > 1:
            edge = max(1, len(values) // 10)
            first, last = sum(values[:edge]) / edge, sum(values[-edge:]) / edge
            say(f"{name:<18}{first:.3f} → {last:.3f}")
    if trained.heldout_accuracy is not None:
        say(
            f"{'held-out accuracy':<18}{trained.heldout_accuracy:.3f} "
            f"over {trained.heldout_comparisons:,} comparisons"
        )
    say(f"{'policy':<18}{trained.policy}")
    if trained.reward_model is not None:
        say(f"{'reward model':<18}{trained.reward_model}")
        say(
            f"\nnext: selfplay run own prompts=FILE {quote(f'model={config.model.path}')} "
            "solver.objective=ppo meta.judge=reward_model "
            f"{quote(f'meta.judge.path={trained.reward_model}')}"
        )
        return
    say(f"\nnext: selfplay evaluate own prompts=FILE --model {quote(str(trained.policy))}")
