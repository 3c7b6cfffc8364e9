"""The configuration of an offline learning job. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field

from selfplay.core.errors import ConfigError, require
from selfplay.core.types import Sampling
from solver.config import PolicyConfig, SolverConfig, check_together
from solver.objectives.needs import chosen_rows, needs_of

LIMIT = "solver.sampling.max_new_tokens"


@dataclass(frozen=True)
class RecordedSampling(Sampling):
    """How recorded responses were drawn, where nobody said at how many tokens they were cut off."""

    @property
    def limit(self) -> None:
        """Unknown."""
        return None


@dataclass(frozen=True)
class TrainConfig:
    """An offline learning job."""

    data: str = ""
    """Recorded groups or comparisons: JSON Lines, CSV, Parquet or a saved `datasets` directory."""
    layout: str = "auto"
    """`groups`, `comparisons`, `demonstrations`, `gsm8k_solutions`; `auto`: told by the columns."""
    model: PolicyConfig = field(default_factory=PolicyConfig, metadata={"shorthand": "path"})
    """The policy that learns, or what a reward model begins as: a model directory or name."""
    solver: SolverConfig = field(default_factory=SolverConfig)
    """The objective and how it learns."""
    seed: int = 0
    """All randomness derives from it."""
    batch: int = 64
    """Groups (or comparisons) in one learning stage; `solver.minibatches` splits it further."""
    epochs: int = 1
    """Passes over the data."""
    heldout: float = 0.0
    """Share of the prompts that a reward model is tested on and does not learn from."""
    end_of_sequence: bool = True
    """Put the token that ends a turn behind each recorded text, so that ending is learned too;
    which one the chat template says (docs/models.md)."""
    save_every: int = 0
    """Batches between saved versions, from which a job goes on; 0: the last alone."""

    def check(self, where: str) -> None:
        """Refuses impossible values.

        Raises:
            ConfigError: no data, a value outside its range, held-out prompts without a use, what
                only a game can do, or an objective that the policy's adapters do not go with.
        """
        require(bool(self.data), "data", "a file of recorded groups or comparisons", "none")
        require(self.batch >= 1, "batch", "1 or more", self.batch)
        require(self.epochs >= 1, "epochs", "1 or more", self.epochs)
        require(self.save_every >= 0, "save_every", "0 or more", self.save_every)
        require(0 <= self.heldout < 1, "heldout", "a share below 1", self.heldout)
        check_together(self.model, self.solver)
        for choice, _ in chosen_rows(self.solver):
            masked = getattr(choice.options, "mask_truncated", False)
            known = "false, since recorded data does not say which responses were cut off"
            require(not masked, "solver.objective.mask_truncated", known, masked)
        rest = "since recorded responses are all there are"
        require(self.solver.refill == 0, "solver.refill", f"0, {rest}", self.solver.refill)
        baseline = self.solver.baseline
        require(baseline is None, "solver.baseline", f"null, {rest}", f"'{baseline}'")
        if self.heldout and "reward head" not in needs_of(self.solver):
            raise ConfigError(
                f"heldout: tests a reward model (solver.objective=rm), and "
                f"{self.solver.objective.name} trains a policy; test that with `selfplay evaluate`"
            )
