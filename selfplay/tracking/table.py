"""Where metrics can go besides the ledger, by transformers' names. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.core.components import NoOptions, Row, Table


@dataclass(frozen=True)
class ProjectOptions:
    """Where the library files the run."""

    project: str = "selfplay"
    """The run itself is called as its directory is."""


TRACKERS: Table = {
    "tensorboard": Row(
        "selfplay.tracking.trackers:TensorBoard", NoOptions, "event files in the run directory"
    ),
    "wandb": Row(
        "selfplay.tracking.trackers:WeightsAndBiases",
        ProjectOptions,
        "Weights & Biases; WANDB_MODE=offline keeps it in the run directory",
    ),
    "trackio": Row(
        "selfplay.tracking.trackers:Trackio", ProjectOptions, "Trackio, on this machine"
    ),
}
"""Trackers by name; one is built as `factory(options)`."""
