"""`selfplay evaluate`: held-out accuracy of any policy version or model directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

import typer

from selfplay.cli.output import say, say_json


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
    if not as_json:
        say("loading the libraries and the model …")
    from selfplay.offline.evaluate import evaluate as measure

    watch = nothing if as_json else show
    found = measure(source, overrides or [], version, model, judged, watch)
    if as_json:
        say_json(json.dumps(found.as_dict(), indent=1))


def show(label: str, metrics: Mapping[str, float]) -> None:
    """Prints the metrics of one way of asking."""
    say(f"{label}: {metrics[label]:.3f}" if label in metrics else f"{label}:")
    for name, value in metrics.items():
        if name != label:
            say(f"    {name.removeprefix(label + '/')}: {value:.3f}")


def nothing(label: str, metrics: Mapping[str, float]) -> None:
    """Prints nothing."""
