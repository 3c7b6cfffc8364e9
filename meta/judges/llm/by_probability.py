"""What judges have in common that read a model's probabilities in place of a reply."""

from __future__ import annotations

from collections.abc import Sequence

from meta.judges.llm.asking import Asked
from meta.judges.llm.masses import Masses
from meta.judges.llm.quoting import VERSION as QUOTING
from meta.judges.llm.table import ProbabilityOptions
from selfplay.core.models.live import ScoringModel
from selfplay.core.types import Chat


class ByProbability:
    """A judge's model, its wording, and how likely the model finds the possible verdicts."""

    wording = 1
    """Goes up when the judge's wording changes."""
    candidates: tuple[str, ...] = ()
    """The possible verdicts."""

    def __init__(self, options: ProbabilityOptions) -> None:
        """Builds the model.

        Raises:
            ConfigError, ModelError: the model cannot be had.
        """
        self._asked, self._least = Asked(options.model), options.least_mass

    @property
    def content(self) -> str:
        """Names the wording, and the model's weights where they lie in a directory."""
        return f"{self.wording}.{QUOTING} {self._asked.content}"

    def meet(self, live: ScoringModel) -> None:
        """Makes the live policy known, should it be the judging model."""
        self._asked.meet(live)

    def masses(self, chats: Sequence[Chat]) -> list[Masses | str]:
        """How likely each candidate is as the answer to each chat, or why that cannot be said."""
        return self._asked.masses(chats, self.candidates, self._least)
