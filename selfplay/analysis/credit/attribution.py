"""From a run to its tables of credit, by influence or by leaving out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfplay.analysis.credit.asked import Asked
from selfplay.analysis.credit.bootstrap import intervals
from selfplay.analysis.credit.influence import RoundInfluence, influences
from selfplay.analysis.credit.kin import Families, SharesOf, counted, operator_of
from selfplay.analysis.credit.leave_out import Replayed, replays
from selfplay.analysis.credit.replay import FloatArray, accuracies, evaluated_rounds
from selfplay.analysis.credit.table import Attribution, Credit
from selfplay.core.types import Prompt
from selfplay.events import Progress
from selfplay.game import Game, lesson
from selfplay.stages.evaluation import SAMPLED

EXCERPT = 60

FIRST_ORDER = "first-order influence of groups along the gradient of held-out reward"
INFLUENCE = {
    "adamw": f"{FIRST_ORDER}, preconditioned as AdamW did; as good as total is near measured",
    "none": f"{FIRST_ORDER}, without AdamW's preconditioning: the unit says nothing",
}
LEFT_OUT = (
    "what is lost when the recorded rounds are learned again without the label's groups; exact for "
    "learning from these responses, which were sampled by policies that had learned from all"
)
UNLIKE = (
    "; learning again without leaving anything out did not give the run's own weights (other "
    "libraries or another machine), so all figures compare replays made here"
)


@dataclass(frozen=True, eq=False)
class Parts:
    """The gains of some labels, apart by blocks of held-out prompts."""

    gains: Mapping[str, FloatArray]
    """By label: what each block adds to its gain. Shape (B,)."""
    sizes_B: NDArray[np.int64]
    """Prompts in each block."""


def credit(game: Game, asked: Asked) -> Iterator[Progress | Attribution]:
    """Attributes a run's gain: yields progress, and a table for each kind.

    The game's policy is moved, and nothing is written to the run.

    Raises:
        ConfigError: an unknown word, or an objective that `influence` cannot take apart.
        LedgerError, ModelError: the run has no second evaluation, or not its first policy.
    """
    asked.check()
    last = evaluated_rounds(game.ledger)[-1]
    taught = learned_from(game, last)
    families = Families(game.ledger)
    shares = {kind: families if kind == "families" else operator_of for kind in asked.kinds}
    if asked.method == "influence":
        yield from by_influence(game, asked, shares, taught)
    else:
        for kind, shares_of in shares.items():
            yield from by_leaving_out(game, asked, kind, shares_of, taught)


def by_influence(
    game: Game, asked: Asked, shares: Mapping[str, SharesOf], taught: Sequence[Prompt]
) -> Iterator[Progress | Attribution]:
    """As `credit`, all kinds from one replay."""
    last = evaluated_rounds(game.ledger)[-1]
    gains: dict[str, dict[str, FloatArray]] = {kind: {} for kind in shares}
    blocks = 1
    for found in influences(game, asked.preconditioner):
        for kind, shares_of in shares.items():
            add_shares(gains[kind], found, shares_of)
        blocks = found.blocks
        yield Progress(found.round, "influence", found.round, last)
    split = np.array_split(np.arange(len(game.heldout)), blocks)
    sizes_B = np.array([len(block) for block in split])
    for kind, shares_of in shares.items():
        groups = counted(taught, shares_of)
        whole = {label: gains[kind].get(label, np.zeros(blocks)) for label in groups}
        yield tabulated(
            game, asked, kind, groups, Parts(whole, sizes_B), INFLUENCE[asked.preconditioner]
        )


def add_shares(gains: dict[str, FloatArray], found: RoundInfluence, shares_of: SharesOf) -> None:
    """Adds a round's influence to the gains of the labels."""
    for id_, part_B in found.parts.items():
        for label, share in shares_of(found.prompts[id_]).items():
            gains[label] = gains.get(label, np.zeros(len(part_B))) + share * part_B


def by_leaving_out(
    game: Game, asked: Asked, kind: str, shares_of: SharesOf, taught: Sequence[Prompt]
) -> Iterator[Progress | Attribution]:
    """As `credit`, one replay for each of the labels with the most groups."""
    groups = counted(taught, shares_of)
    found: dict[str | None, Replayed] = {}
    for event in replays(game, list(groups)[: asked.top], shares_of):
        if isinstance(event, Replayed):
            found[event.label] = event
        else:
            yield event
    whole = found.pop(None)
    lost = {str(k): whole.accuracies_H - left.accuracies_H for k, left in found.items()}
    known_H = np.isfinite(np.array([whole.accuracies_H, *lost.values()])).all(axis=0)
    count = int(known_H.sum())
    parts = {label: lost_H[known_H] / max(1, count) for label, lost_H in lost.items()}
    note = LEFT_OUT + UNLIKE * (whole.repeats is False)
    yield tabulated(game, asked, kind, groups, Parts(parts, np.ones(count, dtype=np.int64)), note)


def learned_from(game: Game, last: int) -> list[Prompt]:
    """The prompt of each group that the rounds up to `last` learned from."""
    rounds = (lesson(game, t) for t in range(1, last + 1))
    return [g.prompt for groups in rounds for g in groups if g.purpose != "baseline"]


def tabulated(
    game: Game, asked: Asked, kind: str, groups: Mapping[str, float], parts: Parts, note: str
) -> Attribution:
    """The table: largest gains first.

    Args:
        game: the run.
        asked: the method, and how many rows.
        kind: what the labels are.
        groups: of every label.
        parts: of the labels whose gain was worked out.
        note: what the figures are.
    """
    parts_KB = np.array(list(parts.gains.values())).reshape(len(parts.gains), len(parts.sizes_B))
    gains = parts_KB.sum(axis=1).tolist()
    ends = intervals(parts_KB, parts.sizes_B, game.seed.at("credit", kind).numpy()).tolist()
    found = sorted(zip(parts.gains, gains, ends, strict=True), key=lambda row: (-row[1], row[0]))
    shown = found[: asked.top]
    texts = excerpts(game, [label for label, *_ in shown]) if kind == "families" else {}
    return Attribution(
        method=asked.method,
        kind=kind,
        rounds=evaluated_rounds(game.ledger)[-1],
        measured=measured(game, sum(groups.values())),
        total=sum(gains),
        labels=len(groups),
        rows=[
            Credit(label, groups[label], gain, low, high, texts.get(label, ""))
            for label, gain, (low, high) in shown
        ],
        note=note,
    )


def measured(game: Game, groups: float) -> Credit:
    """The gain between the first and the newest evaluation, paired by prompt."""
    rounds = evaluated_rounds(game.ledger)
    first_H, last_H = (accuracies(game.ledger.groups(t, SAMPLED)) for t in (rounds[0], rounds[-1]))
    gains_H = last_H - first_H
    parts_1H = gains_H[np.isfinite(gains_H)][None]
    parts_1H = parts_1H / max(1, parts_1H.size)
    rng = game.seed.at("credit", "measured").numpy()
    ((low, high),) = intervals(parts_1H, np.ones(parts_1H.size, dtype=np.int64), rng).tolist()
    return Credit("measured", groups, float(parts_1H.sum()), low, high)


def excerpts(game: Game, ids: Sequence[str]) -> dict[str, str]:
    """How each prompt begins, on one line."""
    lines = {prompt.id: " ".join(prompt.text.split()) for prompt in game.ledger.prompts(ids)}
    return {
        id_: line if len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"
        for id_, line in lines.items()
    }
