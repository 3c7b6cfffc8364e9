"""Policy versions on disk: which are written, which are kept, and how the policy comes back.

A version is a directory `policy/<version>` in Hugging Face layout with the optimiser's state and a
hash over both, which stands in the ledger too. One that was damaged is noticed and an older one is
used instead; the versions between are learned again from the ledger's groups.

A learning stage that broke down leaves its batch behind, and a word on how to go on.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from shlex import quote
from typing import Protocol

from safetensors.torch import save_file

from selfplay.config.settings import SaveConfig
from selfplay.core.errors import LedgerError, ModelError
from selfplay.core.places import writing
from selfplay.ledger.entries import PolicyEntry
from solver.learning.errors import NotFiniteError


class Learner(Protocol):
    """Whose versions these are: the solver."""

    @property
    def version(self) -> int:
        """Learning stages done."""

    def save(self, directory: Path) -> str:
        """Writes the policy state there at once or not at all; the hash of its content."""

    def restore(self, directory: Path) -> None:
        """Takes the policy state from there; a ModelError where it is not whole."""


class Record(Protocol):
    """Which versions there are: the ledger."""

    def policies(self) -> list[PolicyEntry]:
        """Those that were committed, oldest first."""

    def mark_saved(self, version: int, saved: bool) -> None:
        """Notes that a version's directory was deleted."""


class Policies:
    """The run's `policy` directory."""

    def __init__(self, directory: Path, config: SaveConfig, ledger: Record) -> None:
        self._directory = directory
        self._config = config
        self._ledger = ledger

    def path(self, version: int) -> Path:
        """Where a version lies, if it is kept."""
        return self._directory / str(version)

    def save(self, learner: Learner) -> str:
        """Writes the learner's version and returns its hash.

        Raises:
            ResourceError: the disk is full or read-only. Nothing committed is lost.
        """
        path = self.path(learner.version)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            return learner.save(path)

    def due(self, version: int) -> bool:
        """Is this version one of those to be saved by interval?"""
        return version % self._config.every == 0

    def prune(self) -> None:
        """Deletes the versions that the configuration does not keep."""
        versions = self.kept()
        keep_every = self._config.keep_every
        forever = {v for v in versions if v == 0 or (keep_every and v % keep_every == 0)}
        for version in set(versions[: -self._config.keep_last]) - forever:
            with writing(self.path(version)):
                shutil.rmtree(self.path(version))
            self._ledger.mark_saved(version, saved=False)

    def kept(self) -> list[int]:
        """Versions of the ledger that still have a directory, oldest first."""
        saved = [entry.version for entry in self._ledger.policies()]
        return [version for version in saved if self.path(version).is_dir()]

    def restore(self, learner: Learner) -> None:
        """Takes the newest version that is whole; without any saved version, changes nothing.

        Raises:
            LedgerError: versions were saved, and none of them is whole.
        """
        damage = []
        for version in reversed(self.kept()):
            try:
                learner.restore(self.path(version))
            except ModelError as error:
                damage.append(str(error))
            else:
                return
        if self._ledger.policies():
            raise LedgerError(
                f"expected a whole policy version in {self._directory}, found none "
                f"({'; '.join(damage) or 'the folder is empty'}); put one back from a copy of the "
                "run directory"
            )


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
