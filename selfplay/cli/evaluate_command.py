"""`selfplay evaluate`: held-out accuracy of any policy version or model directory."""

from __future__ import annotations

import json
from typing import Annotated

import typer


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
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Measure held-out accuracy, greedy and sampled, of a policy version or a model directory."""
    from selfplay.cli.run_command import plan

    loaded, directory = plan(source, overrides or [], None)
    if not as_json:
        typer.echo("loading the libraries and the model …")
    from selfplay.assess import assess, policy_to_assess

    path = policy_to_assess(loaded.config, directory, version, model)
    found: dict[str, float] = {}
    for label, metrics in assess(loaded.config, directory, path):
        found |= metrics
        if not as_json:
            typer.echo(f"{label}: {metrics.get(label, float('nan')):.3f}")
            for name, value in metrics.items():
                if name != label:
                    typer.echo(f"    {name.removeprefix(label + '/')}: {value:.3f}")
    if as_json:
        typer.echo(json.dumps({"model": str(path), "metrics": found}, indent=1))
