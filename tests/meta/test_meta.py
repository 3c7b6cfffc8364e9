"""Claims about the meta role and the rubric judge."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meta.acceptance.scoring import as_set
from meta.config import MetaConfig, TaskJudges
from meta.judges.llm.table import BY_MODELS
from meta.judges.rubric_checks import RubricChecks
from meta.judges.table import JUDGES, VerifierOptions
from meta.meta import Meta
from meta.reviewers.options import ReviewOptions
from meta.rubrics.rubric import Criterion, Rubric
from selfplay.core.components import Choice, NoOptions, find_row
from selfplay.core.tasks import Match
from selfplay.core.types import Group, Prompt, Response, user

RUBRIC = Rubric(
    (
        Criterion("number", "Give a number.", 3.0, (0.0, 5.0), check="number"),
        Criterion("loud", "Do not shout.", 1.0, sign="deduction", check="case"),
    )
)


def config(judge: str, **changes: Any) -> MetaConfig:
    row = find_row(judge, JUDGES, "meta.judge")
    return MetaConfig(judge=Choice(judge, row.factory, row.options()), **changes)


def group(answer: str | None, *texts: str) -> Group:
    responses = tuple(Response(text, np.array([], np.int32), None, "recorded") for text in texts)
    return Group(Prompt(user("?"), answer=answer), responses, "train", 0)


def test_importing_the_configuration_loads_no_torch() -> None:
    code = "import sys, meta.config; assert not {'torch', 'math_verify'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


NEED_A_MODEL = {"reward_model"} | BY_MODELS.keys()
NEED_COLUMNS = {"code", "instructions", "json_schema"}
"""Judges that read unit tests, constraints or a schema beside the prompt."""


@pytest.mark.parametrize("name", sorted(JUDGES.keys() - NEED_A_MODEL - NEED_COLUMNS))
def test_every_judge_of_the_table_builds_and_judges(name: str) -> None:
    meta = Meta(config(name), RUBRIC)
    (verdicts,) = meta.judge([group("18", "18", "NO")])
    low, high = meta.scale
    assert len(verdicts) == 2
    assert all(v.reward is not None and low <= v.reward <= high for v in verdicts)


def test_the_rubric_judge_scores_by_the_formula() -> None:
    (verdicts,) = RubricChecks(NoOptions(), RUBRIC).judge([group(None, "it is 7", "NO")])
    assert [v.reward for v in verdicts] == [1.0, 0.0]
    assert verdicts[0].scores == {"number": 5.0, "loud": 0.0}


def test_a_check_that_does_not_apply_makes_the_verdict_missing() -> None:
    rubric = Rubric((Criterion("right", "Be right.", check="exact_answer"),))
    (verdicts,) = RubricChecks(NoOptions(), rubric).judge([group(None, "18")])
    assert verdicts[0].reward is None
    assert "no gold answer" in verdicts[0].reason


def test_a_criterion_for_a_language_model_is_refused_by_name() -> None:
    rubric = Rubric((Criterion("wise", "Be wise.", kind="judge"),))
    with pytest.raises(ValueError, match=r"no judging model is configured.*wise"):
        Meta(config("rubric"), rubric)


def test_the_rubric_judge_without_a_rubric_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no rubric; set meta\.rubric"):
        Meta(config("rubric"))


def test_the_configured_rubric_is_read_and_a_given_one_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "rubric.yaml"
    path.write_text(RUBRIC.to_yaml())
    later = replace(RUBRIC, version=2)
    assert Meta(config("rubric", rubric=str(path))).rubric == as_set(RUBRIC)
    assert Meta(config("rubric", rubric=str(path)), later).rubric == as_set(later)


def test_the_fingerprint_follows_judge_options_and_rubric() -> None:
    lenient = Choice("verifier", JUDGES["verifier"].factory, VerifierOptions(binary=False))
    metas = [
        Meta(config("verifier")),
        Meta(MetaConfig(judge=lenient)),
        Meta(config("rubric"), RUBRIC),
        Meta(config("rubric"), replace(RUBRIC, version=2)),
    ]
    assert len({meta.fingerprint for meta in metas}) == 4
    assert Meta(config("verifier")).fingerprint == metas[0].fingerprint


def test_a_new_rubric_leaves_the_judging_of_those_who_do_not_read_it() -> None:
    reviewed = replace(config("rubric"), review=ReviewOptions(enabled=True))
    sums = TaskJudges("sums", Match(task=("sums",)), config("verifier").judge, ())
    meta = Meta(reviewed, RUBRIC, [sums])
    groups = [group("18", "18"), group("18", "18")]
    groups[1] = replace(groups[1], prompt=replace(groups[1].prompt, task="sums"))
    later = meta.under(as_set(replace(RUBRIC, criteria=RUBRIC.criteria[:1], version=2)))
    (read, unread), (changed, kept) = meta.fingerprints(groups), later.fingerprints(groups)
    assert changed != read
    assert kept == unread != read
    assert {changed, kept} < later.judgings
    assert read not in later.judgings
    assert later.fingerprint != meta.fingerprint


def test_a_run_that_never_reviews_has_one_judging_for_all_tasks() -> None:
    sums = TaskJudges("sums", Match(task=("sums",)), config("verifier").judge, ())
    meta = Meta(config("rubric"), RUBRIC, [sums])
    assert meta.fingerprints([group("18", "18")]) == [meta.fingerprint]
    assert meta.judgings == {meta.fingerprint}


def test_the_verifier_looks_at_the_answer_though_the_reward_does_not() -> None:
    meta = Meta(config("rubric"), RUBRIC)
    asked = [group("18", "it is 7", "it is 18")]
    assert [v.reward for v in meta.judge(asked)[0]] == [1.0, 1.0]
    assert [v.reward for v in meta.verifier.judge(asked)[0]] == [0.0, 1.0]
    assert meta.verifier.fingerprint != meta.fingerprint


def test_as_the_reward_the_verifier_has_its_own_fingerprint() -> None:
    meta = Meta(config("verifier"))
    assert meta.fingerprint == meta.verifier.fingerprint
