"""Judging every response several times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from creator.estimators.evidence import evidence_of
from meta.config import MetaConfig
from meta.meta import Meta
from meta.panel import together
from selfplay.build import open_game
from selfplay.config import load_values
from selfplay.core.components import NoOptions
from selfplay.core.types import JUDGEMENT, Group, Prompt, Response, Verdict, user
from selfplay.loop import play
from selfplay.stages.labels import TRAIN
from tests.selfplay.small_runs import small


class Moody:
    """A judge of length that is off by a draw, and sometimes has no opinion."""

    name = "moody"
    scale: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def __init__(self, options: NoOptions, rubric: object = None) -> None:
        pass

    def judge(self, groups: Sequence[Group], repeat: int = 0) -> list[tuple[Verdict, ...]]:
        return [
            tuple(
                self._verdict(group.prompt, r.text, g, repeat)
                for g, r in enumerate(group.responses)
            )
            for group in groups
        ]

    def _verdict(self, prompt: Prompt, text: str, place: int, repeat: int) -> Verdict:
        rng = np.random.default_rng([int(prompt.id, 16), place, repeat])
        if rng.random() < 0.2:
            return Verdict.missing("in no mood")
        reward = len(text) + float(rng.normal())
        return Verdict(reward, scores={"mood": reward})


MOODY = f"{__name__}:Moody"


def responses(n: int) -> tuple[Response, ...]:
    return tuple(Response("x" * k, np.arange(k, dtype=np.int32), None, "stop") for k in range(n))


def meta(repeats: int) -> Meta:
    values = {"judge": {"name": "check", "kind": "length"}, "repeats": repeats}
    return Meta(load_values(values, "test", MetaConfig).config)


def test_the_reward_is_the_mean_of_what_the_repeats_say() -> None:
    verdict = together([Verdict(1.0, scores={"a": 2.0}), Verdict(4.0, scores={"a": 4.0})])
    assert verdict.reward == 2.5
    assert verdict.scores == {"a": 3.0, f"{JUDGEMENT}0": 1.0, f"{JUDGEMENT}1": 4.0}


def test_a_missing_repeat_is_left_out_and_all_missing_is_missing() -> None:
    missing = Verdict.missing("no answer")
    verdict = together([missing, Verdict(3.0)])
    assert (verdict.reward, dict(verdict.scores)) == (3.0, {f"{JUDGEMENT}1": 3.0})
    assert together([missing, missing]) == missing


def test_repeats_are_part_of_the_fingerprint() -> None:
    assert len({meta(repeats).fingerprint for repeats in (1, 2, 3)}) == 3


def test_evidence_has_a_column_for_each_repeat() -> None:
    groups = [
        Group(Prompt(user("a")), responses(2), "train", 0).judged(
            [together([Verdict(0.0), Verdict(1.0)]), Verdict.missing("none")], "j"
        ),
        Group(Prompt(user("b")), responses(1), "train", 0).judged(
            [together([Verdict.missing("none"), Verdict(5.0)])], "j"
        ),
    ]
    judged = evidence_of(groups, 1).judgements_PGJ
    assert judged is not None
    nan = math.nan
    np.testing.assert_array_equal(judged, [[[0, 1], [nan, nan]], [[nan, 5], [nan, nan]]])
    assert evidence_of([groups[0].judged([Verdict(1.0)] * 2, "j")], 1).judgements_PGJ is None


@pytest.mark.parametrize("estimator", ["corrected_variance", "corrected_gap", "judge_disagreement"])
def test_a_run_under_a_noisy_judge_estimates_from_its_repeats(
    tmp_path: Path, estimator: str
) -> None:
    changes = (f"meta.judge={MOODY}", "meta.repeats=3", f"creator.estimator={estimator}")
    with open_game(small("rounds=2", "evaluation.every=9", *changes), tmp_path / "run") as game:
        for _ in play(game):
            pass
        verdicts = [v for group in game.ledger.groups(1, TRAIN) for v in group.verdicts]
        estimates = game.ledger.estimates()
    repeated = [[k for k in v.scores if k.startswith(JUDGEMENT)] for v in verdicts if v.scores]
    assert max(map(len, repeated)) == 3
    assert {estimate.metric for estimate in estimates} == {estimator}
    assert any(estimate.value > 0 for estimate in estimates)
