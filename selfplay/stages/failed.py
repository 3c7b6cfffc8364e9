"""What a learning stage that broke down leaves behind: its batch, and how to go on."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from safetensors.torch import save_file

from selfplay.core.places import writing
from selfplay.stages.policies import Policies
from solver.learning.errors import NotFiniteError

FAILED = "failed"
"""Folder of a run directory: round-T.safetensors holds the tensors `PASS.NAME` of a batch."""


def kept(error: NotFiniteError, directory: Path, t: int, policies: Policies) -> NotFiniteError:
    """The error with the place of its batch, which is written there.

    Args:
        directory: of the run.
        t: the round.

    Raises:
        ResourceError: the batch cannot be written.
    """
    path = directory / FAILED / f"round-{t}.safetensors"
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        save_file(error.batch, path)
    newest = policies.path(policies.kept()[-1])
    return NotFiniteError(
        f"{error} The batch is in {path}. Round {t}'s responses and verdicts are kept: "
        f"`selfplay run {quote(str(directory))}` tries its learning stage again from {newest}. "
        "Other options make another experiment: start it from there with `selfplay run "
        f"<configuration> {quote(f'model={newest}')} solver.learning_rate=<lower> "
        "--out <another directory>`.",
        error.batch,
    )
