"""Is a run what it was when it was written? Rounds against their seals, policies against hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from selfplay.config.sources import config_of_run
from selfplay.core.errors import LedgerError, ModelError
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER, POLICY, model_directory
from selfplay.stages.checkpoints import Policies


@dataclass(frozen=True)
class Verified:
    """What was found to be whole."""

    rounds: int
    """Rounds whose rows are those that were recorded."""
    unsealed: int
    """Rounds that an older release recorded: nothing can be said of them."""
    policies: tuple[int, ...]
    """Versions on disk whose weights and optimiser state are those that were saved."""

    @property
    def words(self) -> str:
        """In one line."""
        versions = ", ".join(map(str, self.policies)) or "none"
        old = f" ({self.unsealed} of an older release cannot be checked)" if self.unsealed else ""
        return f"whole: {self.rounds} rounds{old}; policy versions on disk: {versions}"

    def as_dict(self) -> Mapping[str, Any]:
        """For `--json`."""
        return {"verified": asdict(self)}


def verify(directory: Path) -> Verified:
    """Reads all of a run, which may be live, and compares it with what was written.

    Raises:
        LedgerError: a round or a policy version was damaged; says which.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        sealed = ledger.sealed()
        ledger.check_seals(sealed)
        recorded = sum(1 for _, stage in ledger.stages() if stage == "record")
        config = config_of_run(directory).config
        kept = Policies(directory / POLICY, config.save, ledger).kept()
    return Verified(len(sealed), recorded - len(sealed), _whole(directory, config, kept))


def _whole(directory: Path, config: Any, kept: list[int]) -> tuple[int, ...]:
    """The versions, each restored as a run would; the first damaged one is an error."""
    from selfplay.stages.tasks import solver_config
    from solver.solver import leading_solver

    if not kept:
        return ()
    chosen = replace(config.model, path=str(model_directory(config.model.path)))
    solver = leading_solver(chosen, solver_config(config))
    try:
        for version in kept:
            solver.restore(directory / POLICY / str(version))
    except ModelError as error:
        raise LedgerError(f"{directory}: {error}") from error
    finally:
        solver.dismiss()
    return tuple(kept)
