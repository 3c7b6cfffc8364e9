"""Counterfactual replay: whom other estimators and samplers would have chosen in a run's rounds.

Round by round, each alternative is given the judged groups that the run's creator was given, and a
memory that it folds as the run's creator does. It estimates, and draws parents, first with the
run's own lots and then with further ones. What it draws is compared with the parents that the
ledger names. Nothing is generated, learned or written.

Left out is what cannot be had from a ledger: children of other parents, and what the policy would
have learned from them. Every alternative sees the groups that the run's own choice led to.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

from creator.config import CreatorConfig
from creator.creator import REPLAYED
from creator.estimators.table import SuccessOptions
from creator.estimators.trial import check_usable
from creator.pool.memory import History
from creator.scales import on_one_scale
from selfplay.analysis.counterfactual import (
    Outcomes,
    Pick,
    StandIn,
    effective_number,
    jaccard,
    mean,
    rank_correlation,
    recorded_parents,
    shared,
    total_variation,
)
from selfplay.config import differences, load_config, load_values
from selfplay.config.settings import RunConfig
from selfplay.core.csv_text import inert_row
from selfplay.core.errors import ConfigError
from selfplay.core.places import writing
from selfplay.core.seeding import Seed
from selfplay.core.types import Now
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.stages.labels import TRAIN, estimated_from
from selfplay.stages.scales import scales_by

OWN = "run"
"""The name of the run's own estimator and sampler among the alternatives."""
CHANGEABLE = (
    "creator.estimator",
    "creator.sampler",
    "creator.memory",
    "creator.parents",
    "creator.pool",
)
"""Settings that an alternative may change."""


@dataclass(frozen=True)
class ReplayConfig:
    """A file of alternatives."""

    alternatives: dict[str, list[str]] = field(default_factory=dict)
    """By name, overrides of settings among `CHANGEABLE`."""


def alternatives_named(
    estimators: Sequence[str] = (), samplers: Sequence[str] = (), path: Path | None = None
) -> dict[str, list[str]]:
    """Names alternatives: every estimator with every sampler, then those of a file.

    Args:
        estimators: each as after `creator.estimator=`; none: the run's own.
        samplers: each as after `creator.sampler=`; none: the run's own.
        path: YAML with a `ReplayConfig`.

    Returns:
        Overrides by name, as `replay` takes them.

    Raises:
        ConfigError: the file cannot be used.
    """
    keys = ("creator.estimator", "creator.sampler")
    found: dict[str, list[str]] = {}
    for chosen in product(estimators or [""], samplers or [""]):
        overrides = [f"{key}={value}" for key, value in zip(keys, chosen, strict=True) if value]
        if overrides:
            found[" + ".join(filter(None, chosen))] = overrides
    if path is not None:
        found |= load_config(path, [], ReplayConfig).config.alternatives
    return found


@dataclass(frozen=True)
class Turn:
    """What one alternative would have chosen in one round, beside what the run chose.

    NaN where nothing is known.
    """

    round: int
    alternative: str
    eligible: int
    """Prompts that it could have drawn."""
    shared: float
    """Of the run's parents, the share that it draws too with the run's own lots."""
    jaccard: float
    """The same as |A ∩ B| / |A ∪ B|."""
    redrawn: float
    """As `shared`, with other lots; the run's own row says what sheer luck leaves of it."""
    variation: float
    """Between the probabilities of its first draw and of the run's, from 0 to 1."""
    correlation: float
    """Of its values and the run's: Spearman's ρ."""
    effective: float
    """So many prompts, equally likely, would be as concentrated a draw as its first (1 / Σ p²)."""
    success: float
    """Mean success rate of the drawn prompts when they were scored last, over all draws."""
    reward: float
    """Their mean reward then."""
    later: float
    """From this round on, the share of mixed groups among those of the drawn prompts and of their
    children that the run asked."""
    followed: float
    """Share of the drawn prompts of which there is such a group."""


@dataclass(frozen=True)
class Replay:
    """The turns of all alternatives, and how well the run's own choice was reproduced."""

    turns: tuple[Turn, ...]
    """Round by round, the run's own first."""
    recorded: int
    """Rounds of which the ledger names all parents."""
    reproduced: int
    """Those of them in which the replay of the run's own choice draws exactly these."""

    def means(self) -> dict[str, dict[str, float]]:
        """By alternative and figure: the mean over the rounds in which it is known, else NaN."""
        names = dict.fromkeys(turn.alternative for turn in self.turns)
        return {
            name: {
                figure: mean(getattr(t, figure) for t in self.turns if t.alternative == name)
                for figure in (item.name for item in fields(Turn)[2:])
            }
            for name in names
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain data, NaN where nothing is known."""
        return {
            "recorded": self.recorded,
            "reproduced": self.reproduced,
            "means": self.means(),
            "turns": [asdict(turn) for turn in self.turns],
        }

    def write_csv(self, path: Path) -> None:
        """Writes a row for each alternative and round; what is unknown is empty.

        Raises:
            ResourceError: the file cannot be written.
        """
        rows = [asdict(turn) for turn in self.turns]
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(inert_row(rows[0])) if rows else [])
                writer.writeheader()
                for row in rows:
                    # Only NaN is not itself.
                    known = {k: value for k, value in row.items() if value == value}
                    writer.writerow(inert_row(known))


def replay(
    directory: Path,
    alternatives: Mapping[str, Sequence[str]],
    draws: int = 20,
    threshold: float = SuccessOptions.threshold,
) -> Replay:
    """Replays a run, finished or not, by its own choice and by the alternatives.

    Args:
        directory: the run's.
        alternatives: by name, overrides of the run's settings among `CHANGEABLE`.
        draws: how often each alternative draws in a round; the first time with the run's lots.
        threshold: the lowest reward of a success, as a share of the judge's scale.

    Returns:
        The turns of all alternatives, and how well the run's own choice was reproduced.

    Raises:
        ConfigError: an override is wrong, or changes what cannot be replayed.
        LedgerError: there is no readable ledger in the directory.
    """
    if draws < 1:
        raise ConfigError(f"draws: expected 1 or more, found {draws}")
    if OWN in alternatives:
        raise ConfigError(f"'{OWN}' is the run's own choice; give the alternative another name")
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        # No estimator reads what the responses say, so no tokenizer is needed.
        ledger.decode = lambda tokens: [""] * len(tokens)
        seed, history = Seed(ledger.settings["seed"]), history_of(ledger)
        stand_ins = [
            StandIn(name, creator_config(ledger, name, overrides), ledger, history, seed)
            for name, overrides in {OWN: (), **alternatives}.items()
        ]
        return compared(ledger, history, stand_ins, seed, draws, Outcomes(threshold))


def creator_config(ledger: Ledger, name: str, overrides: Sequence[str]) -> CreatorConfig:
    """The run's creator with the overrides of one alternative.

    Raises:
        ConfigError: an override is wrong, or changes what cannot be replayed.
    """
    own = load_values(ledger.settings, "the run", RunConfig)
    loaded = load_values(ledger.settings, "the run", RunConfig, overrides)
    changed = differences(own.as_dict(), loaded.as_dict(), set(CHANGEABLE))
    if changed:
        raise ConfigError(
            f"alternative '{name}': a replay changes {', '.join(CHANGEABLE)} and nothing else; "
            f"found {', '.join(changed)}. That takes runs of their own: selfplay ablate"
        )
    check_usable(loaded.config.creator.estimator, loaded.config.meta.repeats)
    return loaded.config.creator


def history_of(ledger: Ledger) -> History:
    """The groups that each round's estimates rest on, on the scale that the creator counts in."""
    config = load_values(ledger.settings, "the run", RunConfig).config
    scales = scales_by(config, ledger.scales)
    return lambda t: on_one_scale(estimated_from(ledger, t), scales)


def compared(
    ledger: Ledger,
    history: History,
    stand_ins: Sequence[StandIn],
    seed: Seed,
    draws: int,
    outcomes: Outcomes,
) -> Replay:
    """All rounds that were judged and had prompts to choose from; the first stand-in is the run."""
    last = sum(1 for _ in judged_rounds(ledger))
    for t in range(1, last + 1):
        outcomes.asked(t, ledger.groups(t, TRAIN))
    turns: list[Turn] = []
    recorded = reproduced = 0
    for t in range(1, last + 1):
        groups = history(t)
        outcomes.scored(groups)
        again = [seed.at(t, "replay", i) for i in range(1, draws)]
        lots = [seed.at(t, "compose", "parents"), *again]
        replayed = int(ledger.stage_metrics(t, "compose").get(REPLAYED, 0))
        picks = [one.choose(moment(ledger, t), groups, lots, replayed) for one in stand_ins]
        if not picks[0].values:
            continue
        parents = recorded_parents(ledger, t)
        recorded += parents is not None
        reproduced += parents == set(picks[0].drawn[0])
        chosen = parents or set(picks[0].drawn[0])
        turns += [turn(t, pick, picks[0], chosen, outcomes) for pick in picks]
    return Replay(tuple(turns), recorded, reproduced)


def judged_rounds(ledger: Ledger) -> Iterator[int]:
    """The rounds whose groups are judged, from 1 on."""
    t = 1
    while ledger.stage_done(t, "judge"):
        yield t
        t += 1


def moment(ledger: Ledger, t: int) -> Now:
    """When round t was composed: its groups are of the same policy version and judgings."""
    groups = ledger.groups(t, TRAIN)
    alike = frozenset(group.fingerprint for group in groups) | ledger.judgings(t)
    return Now(t, groups[0].policy_version, groups[0].fingerprint, alike)


def turn(t: int, pick: Pick, own: Pick, parents: set[str], outcomes: Outcomes) -> Turn:
    """One alternative's pick beside the run's parents."""
    first, *others = pick.drawn
    unknown = float("nan")
    return Turn(
        round=t,
        alternative=pick.name,
        eligible=len(pick.values),
        shared=shared(first, parents),
        jaccard=jaccard(first, parents),
        redrawn=mean(shared(drawn, parents) for drawn in others),
        variation=total_variation(pick.shares, own.shares)
        if pick.shares and own.shares
        else unknown,
        correlation=rank_correlation(pick.values, own.values),
        effective=effective_number(pick.shares.values()) if pick.shares else unknown,
        **outcomes.of(t, pick.drawn)._asdict(),
    )
