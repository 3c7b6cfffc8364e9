"""`selfplay evaluate`: held-out accuracy of any policy version or model directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from selfplay.config import Loaded
    from selfplay.settings import RunConfig


def evaluate(
    source: Annotated[
        str, typer.Argument(help="A run directory, a shipped configuration or a YAML file.")
    ],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, as for run.")] = None,
    version: Annotated[
        int | None, typer.Option(help="A policy version of the run; the newest by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model directory or name, in place of the run's policy.")
    ] = None,
    judged: Annotated[
        bool, typer.Option("--judged", help="Also the win rate that evaluation.judged describes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Measure held-out accuracy, greedy and sampled, of a policy version or a model directory."""
    from selfplay.cli.run_command import plan

    overrides = [*(overrides or []), *(["evaluation.judged.enabled=true"] if judged else [])]
    loaded, planned = plan(source, overrides, None)
    directory = planned if planned == Path(source) else None
    if directory is not None:
        refuse_other_prompts(loaded, directory)
    if not as_json:
        typer.echo("loading the libraries and the model …")
    from selfplay.assess import assess, policy_to_assess

    path = policy_to_assess(loaded.config, directory, version, model)
    found: dict[str, float] = {}
    for label, metrics in assess(loaded.config, directory, path):
        found |= metrics
        if not as_json:
            typer.echo(f"{label}: {metrics[label]:.3f}" if label in metrics else f"{label}:")
            for name, value in metrics.items():
                if name != label:
                    typer.echo(f"    {name.removeprefix(label + '/')}: {value:.3f}")
    if as_json:
        typer.echo(json.dumps({"model": str(path), "metrics": found}, indent=1))


def refuse_other_prompts(loaded: Loaded[RunConfig], directory: Path) -> None:
    """A run is evaluated on the held-out prompts that it has.

    Raises:
        ConfigError: an override would change them, or the model.
    """
    from selfplay.config import differences
    from selfplay.core.errors import ConfigError
    from selfplay.ledger import Ledger
    from selfplay.paths import LEDGER

    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        changed = differences(ledger.settings, loaded.as_dict(), set())
    fixed = ("model", "spaces", "prompts", "evaluation.source", "seed")
    other = [key for key in changed if key.startswith(fixed)]
    if other:
        raise ConfigError(
            f"{', '.join(other)}: a run is evaluated on its own held-out prompts; name a "
            "configuration in place of the run directory, and the model with --model"
        )
