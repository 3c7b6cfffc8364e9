"""Anchors made of responses that a run has, or that were recorded, scored by a judge to be trusted.

The judge is the verifier, or any that can be configured: a stronger model with a rubric, a reward
model, the sandbox. The responses of one prompt are drawn together from all of its groups, equal
texts once, so that they are judged side by side and as few times as can be. What is missing is
counted with its reason and becomes no anchor.

Also counted: what a set of anchors holds, by part, by scorer, and how many pairs it has to compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from meta.acceptance.pairwise import pairs_of
from meta.anchors.anchors import SHARES, Anchor, AnchorSet, anchors_from_groups
from meta.anchors.file import read_anchors, write_anchors
from meta.judges import Judge
from meta.judges.table import JUDGES
from meta.rubrics.rubric import read_rubric, rubric_file
from selfplay.core.components import component
from selfplay.core.errors import DataError
from selfplay.core.types import Group, Response
from selfplay.data.recorded import read_recorded, to_group
from selfplay.ledger import Ledger
from selfplay.ledger.reading import decoder
from selfplay.paths import LEDGER
from selfplay.review.anchoring import read_anchors as anchors_of_run


@dataclass(frozen=True)
class JudgingConfig:
    """Who is trusted."""

    judge: Any = component("verifier", JUDGES)
    rubric: str = ""
    """Of a judge that reads one: a YAML file, or the name of one that ships."""

    def build(self) -> Judge:
        """The judge.

        Raises:
            ConfigError, DataError, ModelError: it cannot be had.
        """
        rubric = read_rubric(rubric_file(self.rubric)) if self.rubric else None
        judge: Judge = self.judge.build(rubric)
        return judge


@dataclass(frozen=True)
class Made:
    """What came of making anchors."""

    anchors: AnchorSet
    """All that the file holds now."""
    added: int
    prompts: int
    responses: int
    """That were judged: different texts of one prompt."""
    missing: Mapping[str, int]
    """Responses without a verdict, by reason, the commonest first."""
    alike: int
    """Prompts left out, since no response of theirs is better than another."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: the anchors are counted."""
        counts = {name: value for name, value in vars(self).items() if name != "anchors"}
        there = {"version": self.anchors.version, "anchors": len(self.anchors.anchors)}
        return {**there, **counts, "missing": dict(self.missing)}


def groups_of_run(directory: Path, label: str, rounds: tuple[int, int]) -> list[Group]:
    """The groups of a run under a label, in some rounds.

    Args:
        directory: of the run.
        label: such as `train`.
        rounds: the first and the last.

    Raises:
        DataError: there are none.
        LedgerError: there is no readable ledger.
        ModelError: the run's tokenizer cannot be loaded.
    """
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        ledger.decode = decoder(directory)
        there = sorted({t for t, _ in ledger.stages()})
        asked = [t for t in there if rounds[0] <= t <= rounds[1]]
        found = [group for t in asked for group in ledger.groups(t, label)]
        labels = sorted({name for t in there for name in ledger.labels(t)})
    if not found:
        raise DataError(
            f"{directory}: expected groups '{label}' in the rounds asked for, found none; its "
            f"rounds go up to {max(there, default=0)}, its labels are {', '.join(labels) or 'none'}"
        )
    return found


def groups_of_file(path: Path, layout: str = "groups") -> list[Group]:
    """The groups of a file of recorded responses, whose rewards do not count here.

    Raises:
        ConfigError: an unknown layout.
        DataError: the file or a row cannot be used.
    """
    return [to_group(found, purpose="evaluate") for found in read_recorded(path, layout)]


def make_anchors(
    groups: Sequence[Group],
    judge: Judge,
    path: Path,
    scorer: str = "",
    contrasting: bool = True,
    limit: int = 0,
) -> Made:
    """Scores responses and appends them to a file of anchors, which may be there already.

    Args:
        groups: with the responses.
        judge: whose verdicts are trusted.
        path: of the file.
        scorer: what the judge is called in the anchors; its name when empty.
        contrasting: leave out prompts of which no response is better than another.
        limit: prompts at most, evenly out of all; 0 for all of them.

    Returns:
        All that the file holds now, and what came of the responses.

    Raises:
        ConfigError: the judge asks for the live policy, which there is not.
        DataError: the file holds something else than anchors, or nothing could be scored.
        EndpointError: the judge's server answers nothing at all.
        ResourceError: the file cannot be written.
    """
    before = read_anchors(path) if path.exists() else AnchorSet()
    asked = by_prompt(groups)
    if 0 < limit < len(asked):
        asked = [asked[i * len(asked) // limit] for i in range(limit)]
    judged = [
        group.judged(verdicts, judge.name)
        for group, verdicts in zip(asked, judge.judge(asked), strict=True)
    ]
    reasons = Counter(v.reason for group in judged for v in group.verdicts if v.reward is None)
    missing = dict(reasons.most_common())
    responses = sum(len(group.responses) for group in judged)
    if sum(missing.values()) == responses:
        raise DataError(
            f"{judge.name}: expected scores, found none for {responses:,} responses; most often: "
            f"{next(iter(missing), 'there is no response')}"
        )
    found = anchors_from_groups(judged, scorer or judge.name, contrasting)
    anchors = before.append(found)
    write_anchors(path, anchors)
    kept = {anchor.prompt.id for anchor in found}
    scored = {g.prompt.id for g in judged if any(v.reward is not None for v in g.verdicts)}
    added = len(anchors.anchors) - len(before.anchors)
    return Made(anchors, added, len(judged), responses, missing, len(scored - kept))


def by_prompt(groups: Sequence[Group]) -> list[Group]:
    """One unjudged group for each prompt, with its different responses in order of arrival."""
    first: dict[str, Group] = {}
    texts: dict[str, dict[str, Response]] = {}
    for group in groups:
        first.setdefault(group.prompt.id, group)
        own = texts.setdefault(group.prompt.id, {})
        for response in group.responses:
            own.setdefault(response.text, response)
    return [
        replace(group, responses=tuple(texts[id_].values()), verdicts=(), fingerprint="")
        for id_, group in first.items()
    ]


@dataclass(frozen=True)
class Count:
    """The counting anchors of one part, or of one scorer."""

    name: str
    prompts: int
    core: int
    suspects: int
    core_pairs: int
    """Pairs of one prompt and scorer whose scores differ, without a suspect."""
    suspect_pairs: int
    """Those with one."""


@dataclass(frozen=True)
class Counts:
    """What a set holds."""

    version: int
    anchors: int
    """All that were ever appended."""
    replaced: int
    """Those of them that a later score of the same response took the place of."""
    mixed: int
    """Prompts with anchors of several scorers, which are not compared with each other."""
    parts: tuple[Count, ...]
    scorers: tuple[Count, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def find_anchors(place: Path) -> AnchorSet:
    """The anchors of a file, or of the run in a directory.

    Raises:
        DataError: there is no such file, or it holds something else.
        LedgerError: the run's ledger cannot be read.
    """
    if not (place / LEDGER).is_file():
        return read_anchors(place)
    with Ledger.open(place / LEDGER, read_only=True) as ledger:
        return anchors_of_run(ledger)


def count_anchors(anchors: AnchorSet) -> Counts:
    """Counts anchors.

    Returns:
        How many there are and how many pairs they make, by part and by scorer.
    """
    parts = {name: anchors.part(name) for name in SHARES}
    prompts = [own for part in parts.values() for own in part.by_prompt]
    counting = sum(map(len, prompts))
    scorers = sorted({anchor.scorer for own in prompts for anchor in own})
    return Counts(
        anchors.version,
        len(anchors.anchors),
        len(anchors.anchors) - counting,
        sum(len({anchor.scorer for anchor in own}) > 1 for own in prompts),
        tuple(_count(name, part.by_prompt) for name, part in parts.items()),
        tuple(_count(name, _by(name, prompts)) for name in scorers),
    )


def _by(scorer: str, prompts: Iterable[Sequence[Anchor]]) -> list[list[Anchor]]:
    found = [[anchor for anchor in own if anchor.scorer == scorer] for own in prompts]
    return [own for own in found if own]


def _count(name: str, prompts: Sequence[Sequence[Anchor]]) -> Count:
    pairs = pairs_of(prompts)
    origins = [anchor.origin for own in prompts for anchor in own]
    return Count(
        name,
        len(prompts),
        origins.count("core"),
        origins.count("suspect"),
        pairs.core.count,
        pairs.suspects.count,
    )
