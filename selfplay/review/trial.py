"""A rubric tried out: on a file of responses, or on anchors as the gate would."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meta.acceptance.decision import Decision
from meta.acceptance.gate import Gate, accuracy
from meta.acceptance.intervals import Interval, interval
from meta.acceptance.options import GateOptions
from meta.acceptance.pairwise import accuracy_by_prompt, pairs_of
from meta.acceptance.scoring import Judging, as_set
from meta.anchors.anchors import SHARES, PartName, anchors_from_groups
from meta.judges.by_cluster import Embed, Membership
from meta.judges.table import JUDGES
from meta.monitors.exploits import EXPLOITS, Exploit
from meta.panel import built
from meta.rubrics.rubric import rubric_file
from meta.rubrics.set import RubricSet, read_rubric_set
from selfplay.core.components import component
from selfplay.core.embedding import Embedder
from selfplay.core.errors import ConfigError
from selfplay.core.types import Group
from selfplay.data.recorded import read_recorded, to_group
from selfplay.paths import LEDGER
from selfplay.review.anchor_sets import find_anchors
from selfplay.review.rubrics import rubric_history


@dataclass(frozen=True)
class TrialConfig:
    """Who reads the rubric."""

    judge: Any = component("rubric", JUDGES)
    """`rubric` scores checks in code; rubrics that ask for judgement need another one."""


@dataclass(frozen=True)
class Scores:
    """A file's responses under a rubric."""

    groups: tuple[Group, ...]
    """With the rubric's verdicts."""
    agreement: Interval
    """Within-prompt pairwise accuracy against the file's rewards; NaN where it has none."""

    def criteria(self) -> dict[str, float]:
        """Mean value of each criterion, on its range."""
        found: dict[str, list[float]] = {}
        for group in self.groups:
            for verdict in group.verdicts:
                for name, value in verdict.scores.items():
                    found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    @property
    def scores(self) -> list[float]:
        """All of them that there are."""
        verdicts = [verdict for group in self.groups for verdict in group.verdicts]
        return [verdict.reward for verdict in verdicts if verdict.reward is not None]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, NaN where there is no figure."""
        rows = [
            {
                "prompt_id": group.prompt.id,
                "prompt": group.prompt.text,
                "response": response.text,
                "score": verdict.reward,
                "reason": verdict.reason,
                "criteria": dict(verdict.scores),
            }
            for group in self.groups
            for response, verdict in zip(group.responses, group.verdicts, strict=True)
        ]
        return {"agreement": asdict(self.agreement), "responses": rows}


@dataclass(frozen=True)
class Trial:
    """A rubric on anchors."""

    accuracy: Mapping[PartName, Interval]
    """Within-prompt pairwise accuracy on the core of each part."""
    decision: Decision | None
    """The gate's, where there is a rubric to compare with."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data, NaN where there is no figure."""
        parts = {name: asdict(found) for name, found in self.accuracy.items()}
        return {"accuracy": parts, "decision": self.decision and self.decision.as_dict()}


def find_rubric(name: str) -> RubricSet:
    """The rubric that `name` means.

    Args:
        name: a YAML file, the name of a rubric that ships, a run directory (its rubric in force),
            or `RUN@VERSION`.

    Raises:
        ConfigError: the version is no number.
        DataError: there is no such file or version, or it is no rubric.
        LedgerError: the run's ledger cannot be read.
    """
    directory, at, version = name.rpartition("@")
    if at and (Path(directory) / LEDGER).is_file():
        if not version.isdecimal():
            raise ConfigError(f"rubric: expected RUN@VERSION with a number, found '{name}'")
        return rubric_history(Path(directory)).rubric(int(version))
    if Path(name).is_dir():
        return rubric_history(Path(name)).rubric()
    return read_rubric_set(rubric_file(name))


def score_responses(
    rubric: RubricSet, path: Path, layout: str = "groups", config: TrialConfig | None = None
) -> Scores:
    """The responses of a file of recorded groups under a rubric.

    Raises:
        ConfigError: an unknown layout, or the rubric needs another judge.
        DataError: the file or a row cannot be used.
        EndpointError: the judge's server refuses the key, model or address.
    """
    recorded = [to_group(record, None, "evaluate") for record in read_recorded(path, layout)]
    judge = judging_by(config or TrialConfig(), rubric)(rubric)
    verdicts = judge.judge(recorded)
    groups = tuple(
        group.judged(own, rubric.fingerprint) for group, own in zip(recorded, verdicts, strict=True)
    )
    return Scores(groups, agreement(recorded, groups))


def try_on_anchors(
    rubric: RubricSet,
    path: Path,
    against: RubricSet | None = None,
    exploits: Mapping[str, Exploit] = EXPLOITS,
    options: GateOptions | None = None,
    config: TrialConfig | None = None,
) -> Trial:
    """A rubric's accuracy on anchors, and what the gate says beside another rubric.

    Args:
        rubric: the one that is tried.
        path: a file of anchors, or a run directory: the run's own.
        against: another rubric, for the gate.
        exploits: that the gate plants.
        options: of the gate.
        config: who reads the rubrics.

    Raises:
        ConfigError: a rubric needs another judge.
        DataError: the file or a line cannot be used, or the run has no anchors.
        LedgerError: the run's ledger cannot be read.
        EndpointError: the judge's server refuses the key, model or address.
    """
    anchors = find_anchors(path)
    judging = judging_by(config or TrialConfig(), rubric, against)
    judge = judging(rubric)
    parts = {name: accuracy(judge, rubric, anchors.part(name)) for name in SHARES}
    if against is None:
        return Trial(parts, None)
    gate = Gate(options or GateOptions(), judging, exploits)
    return Trial(parts, gate.accept(rubric, against, anchors.part("gate")))


def judging_by(config: TrialConfig, *rubrics: RubricSet | None) -> Judging:
    """From a rubric to the judge that scores by it.

    Raises:
        ConfigError: the rubrics' clusters are of different embedding models.
    """
    embed = embed_for(*rubrics) or Embedder().embed
    return lambda rubric: built(config.judge, as_set(rubric), Membership(as_set(rubric), embed).of)


def agreement(recorded: Sequence[Group], judged: Sequence[Group]) -> Interval:
    """Pairwise accuracy of the judged groups' rewards against the recorded ones, over prompts."""
    prompts = [anchors_from_groups([group], "recorded", contrasting=False) for group in recorded]
    scores = [
        math.nan if new.reward is None else new.reward
        for old_group, new_group in zip(recorded, judged, strict=True)
        for old, new in zip(old_group.verdicts, new_group.verdicts, strict=True)
        if old.reward is not None
    ]
    return interval(accuracy_by_prompt(pairs_of(prompts), np.array(scores, dtype=np.float64)))


def embed_for(*rubrics: RubricSet | None) -> Embed | None:
    """What tells the clusters of their prompts; None where they have none.

    Raises:
        ConfigError: their clusters are of different embedding models.
    """
    models = sorted({r.clusters.model for r in rubrics if r is not None and r.clusters})
    if len(models) > 1:
        raise ConfigError(
            f"the rubrics' clusters are of different embedding models: {', '.join(models)}"
        )
    return Embedder(models[0]).embed if models else None
