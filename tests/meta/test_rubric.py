"""Claims about rubrics."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta.rubrics.rubric import MAX_CRITERIA, Criterion, Rubric, read_rubric, rubric_from_yaml

SHORT = Criterion("short", "Stay short.", 2.0, check="length", params={"maximum": 5})
LOUD = Criterion("loud", "Do not shout.", 1.0, (0.0, 10.0), "deduction", check="case")
WISE = Criterion("wise", "Be wise.", 3.0, (1.0, 5.0), kind="judge")
RUBRIC = Rubric((SHORT, LOUD, WISE), "house style", 2)

YAML = """
name: house style
version: 2
criteria:
  - {id: short, text: Stay short., weight: 2, check: length, params: {maximum: 5}}
  - {id: loud, text: Do not shout., range: [0, 10], sign: deduction, check: case}
  - {id: wise, text: Be wise., weight: 3, range: [1, 5], kind: judge}
"""


def test_the_score_is_the_formula_worked_out_by_hand() -> None:
    values = {"short": 0.5, "loud": 4.0, "wise": 2.0}
    rewards, deductions = 2 * 0.5 + 3 * 0.25, 0.4
    assert RUBRIC.score(values) == pytest.approx((rewards - deductions + 1) / (5 + 1))


def test_a_deduction_deducts() -> None:
    calm = {"short": 1.0, "loud": 0.0, "wise": 5.0}
    assert RUBRIC.score(calm) == 1.0
    assert RUBRIC.score(calm | {"loud": 10.0}) == pytest.approx(5 / 6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_scores_stay_in_the_unit_interval_whatever_the_values(values: list[float]) -> None:
    assert 0.0 <= RUBRIC.score(dict(zip(("short", "loud", "wise"), values, strict=True))) <= 1.0


def test_values_are_clamped_to_their_criterions_range() -> None:
    low = RUBRIC.score({"short": 0.0, "loud": 10.0, "wise": 1.0})
    assert low == 0.0
    assert RUBRIC.score({"short": -9.0, "loud": 99.0, "wise": -9.0}) == low


def test_the_range_is_a_scale_and_not_a_weight() -> None:
    wide = replace(RUBRIC, criteria=(SHORT, LOUD, replace(WISE, range=(0.0, 100.0))))
    assert wide.score({"short": 0.5, "loud": 4.0, "wise": 25.0}) == pytest.approx(
        RUBRIC.score({"short": 0.5, "loud": 4.0, "wise": 2.0})
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_an_absent_or_infinite_value_is_an_error(value: float | None) -> None:
    values: dict[str, Any] = {"short": 0.5, "loud": 4.0, "wise": value}
    with pytest.raises(ValueError, match="'wise': expected a finite value"):
        RUBRIC.score(values)


def test_yaml_reads_as_the_rubric_it_spells() -> None:
    assert rubric_from_yaml(YAML) == RUBRIC


def test_a_rubric_survives_the_way_through_yaml_with_its_order() -> None:
    again = rubric_from_yaml(RUBRIC.to_yaml())
    assert again == RUBRIC
    assert again.fingerprint == RUBRIC.fingerprint


def test_the_fingerprint_follows_version_and_criteria() -> None:
    others = [
        replace(RUBRIC, version=3),
        replace(RUBRIC, criteria=(LOUD, SHORT, WISE)),
        replace(RUBRIC, criteria=(replace(SHORT, weight=1.0), LOUD, WISE)),
    ]
    assert len({rubric.fingerprint for rubric in (RUBRIC, *others)}) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "a b"}, "'a b': expected an id of letters"),
        ({"text": " "}, "expected a text"),
        ({"weight": 0}, "weight above 0, found 0"),
        ({"weight": math.inf}, "weight above 0, found inf"),
        ({"weight": True}, "weight above 0, found True"),
        ({"range": (1, 1)}, r"range \[lowest, highest\]"),
        ({"range": (0, math.inf)}, r"range \[lowest, highest\]"),
        ({"range": 5}, r"range \[lowest, highest\]"),
        ({"sign": "bonus"}, "sign is reward or deduction, found 'bonus'"),
        ({"kind": "llm"}, "kind is check or judge, found 'llm'"),
        ({"check": ""}, "needs the name of its check"),
        ({"check": "lenght"}, "did you mean 'length'"),
        ({"params": {"max": 5}}, "no parameter 'max'; did you mean 'maximum'"),
        ({"kind": "judge"}, "kind 'judge' has no check and no params"),
    ],
)
def test_a_wrong_criterion_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SHORT, **change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "rubric: expected a mapping"),
        ("criterias: []", "no key 'criterias'; did you mean 'criteria'"),
        ("name: a", "expected 'criteria', a list"),
        ("criteria: []", f"expected 1 to {MAX_CRITERIA} criteria, found 0"),
        ("criteria: [short]", "criterion 1: expected a mapping"),
        ("criteria: [{id: a}]", "criterion 1: needs text"),
        ("criteria: [{id: a, text: b, wieght: 1}]", "did you mean 'weight'"),
        ("criteria: [{id: a, text: b, check: number, params: 3}]", "params, a mapping, found 3"),
        (YAML.replace("id: wise", "id: short"), "used twice: short"),
        (YAML.replace("version: 2", "version: 0"), "version of 1 or more, found 0"),
    ],
)
def test_a_malformed_rubric_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rubric_from_yaml(text)


def test_a_rubric_has_a_bounded_number_of_criteria() -> None:
    many = tuple(replace(SHORT, id=f"c{i}") for i in range(MAX_CRITERIA + 1))
    with pytest.raises(ValueError, match=f"found {MAX_CRITERIA + 1}"):
        Rubric(many)


def test_a_missing_file_names_its_nearest_sibling(tmp_path: Path) -> None:
    (tmp_path / "style.yaml").write_text(YAML)
    assert read_rubric(tmp_path / "style.yaml") == RUBRIC
    with pytest.raises(ValueError, match=r"no such file; did you mean 'style\.yaml'"):
        read_rubric(tmp_path / "stile.yaml")


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "style.yaml").write_text("name: a")
    with pytest.raises(ValueError, match=r"style\.yaml: rubric: expected 'criteria'"):
        read_rubric(tmp_path / "style.yaml")
