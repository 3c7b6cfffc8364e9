"""Claims about differences of rubrics, and about what a rubric's YAML may hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meta.rubrics.diff import diff
from meta.rubrics.rubric import MAX_NAME, MAX_TEXT, Criterion, Rubric, rubric_from_yaml
from selfplay.core.errors import DataError
from selfplay.core.yaml_guard import MAX_CHARACTERS

SHORT = Criterion("short", "Stay short.", 2.0, check="length", params={"maximum": 5})
LOUD = Criterion("loud", "Do not shout.", 1.0, (0.0, 10.0), "deduction", check="case")
WISE = Criterion("wise", "Be wise.", 3.0, (1.0, 5.0), kind="judge")
OLD = Rubric((SHORT, LOUD), "style", 1)


def test_a_rubric_does_not_differ_from_itself_whatever_its_version() -> None:
    found = diff(OLD, replace(OLD, version=2))
    assert not found
    assert found.words() == []


def test_every_kind_of_change_is_told_in_words_and_as_data() -> None:
    longer = replace(SHORT, params={"maximum": 9, "unit": "lines"}, weight=0.5)
    found = diff(OLD, Rubric((WISE, longer), "style", 2))
    assert found.words() == [
        "removes the deduction 'loud', weight 1 by check case: Do not shout",
        "adds the reward 'wise', weight 3: Be wise",
        "changes weight of 'short' from 2 to 0.5",
        "changes params.maximum of 'short' from 5 to 9",
        "changes params.unit of 'short' from nothing to 'lines'",
    ]
    data = found.as_dict()
    assert [entry["id"] for entry in data["added"] + data["removed"]] == ["wise", "loud"]
    change = {"id": "short", "field": "weight", "before": 2.0, "after": 0.5}
    assert data["changed"][0] == change


def test_turning_a_reward_into_a_deduction_is_one_change() -> None:
    turned = replace(OLD, criteria=(replace(SHORT, sign="deduction"), LOUD))
    assert diff(OLD, turned).words() == ["changes sign of 'short' from 'reward' to 'deduction'"]


def test_another_order_of_the_same_criteria_is_a_difference() -> None:
    found = diff(OLD, replace(OLD, criteria=(LOUD, SHORT)))
    assert found
    assert found.words() == ["puts the criteria in another order"]
    assert not diff(OLD, replace(OLD, criteria=(SHORT, LOUD))).reordered


def test_equal_rubrics_have_one_text_and_it_reads_back_to_itself() -> None:
    a = replace(OLD, criteria=(replace(SHORT, params={"unit": "words", "maximum": 5}), WISE))
    b = replace(OLD, criteria=(replace(SHORT, params={"maximum": 5, "unit": "words"}), WISE))
    whole = replace(b, criteria=(replace(b.criteria[0], weight=2), WISE))
    assert a.to_yaml() == b.to_yaml() == whole.to_yaml()
    assert a.fingerprint == whole.fingerprint
    assert rubric_from_yaml(a.to_yaml()).to_yaml() == a.to_yaml()


HEAD = "name: style\nversion: 1\ncriteria:\n"
GOOD = "  - {id: short, text: Stay short., check: number}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + GOOD + "  - {id: a, text: b, weight: -1, check: number}", "line 5: criterion 'a'"),
        (HEAD + GOOD + "\n  - {id: a}", "line 6: criterion 2: needs text"),
        (HEAD + "  - {id: a, id: b, text: c, check: number}", "line 4: .*'id' twice"),
        (HEAD + "  - &x {id: a, text: b, check: number}\n  - *x", "line 5: .*alias"),
        (HEAD + f"  - {{id: a, text: {'b' * (MAX_TEXT + 1)}, check: number}}", "up to 600"),
        (HEAD + f"  - {{id: {'b' * (MAX_NAME + 1)}, text: b, check: number}}", "up to 80"),
        (HEAD + "  - {id: a, text: 5, check: number}", "expected a text .*found 5"),
        (HEAD + "  - {id: 5, text: a, check: number}", "expected an id .*found 5"),
        ("name: 5\ncriteria:\n" + GOOD, "name of 1 to 80 characters, found 5"),
        ("version: true\ncriteria:\n" + GOOD, "version of 1 or more, found True"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ("#" * (MAX_CHARACTERS + 1), "too long"),
        ("name: \x00", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rubric_from_yaml(text)
