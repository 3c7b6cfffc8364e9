"""Claims about the partition of prompts into tasks."""

from __future__ import annotations

import pytest

from selfplay.config import load_config
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.tasks import Match, Partition
from selfplay.core.types import Prompt, user

HERE = "tests.selfplay.core.test_task_partition"


def is_long(prompt: Prompt) -> bool:
    return len(prompt.text) > 10


def kind_of(prompt: Prompt) -> str:
    return "questions" if prompt.text.endswith("?") else "orders"


def confused(prompt: Prompt) -> int:
    return 3


def asked(text: str = "do it", task: str = "default", **extra: object) -> Prompt:
    return Prompt(user(text), task, extra=extra)


def test_a_task_takes_prompts_by_name_by_column_and_by_function() -> None:
    partition = Partition(
        [
            ("sums", Match(task=("chain_sum", "products"))),
            ("law", Match(field="domain", values=("law", "7"))),
            ("questions", Match(classifier=f"{HERE}:kind_of")),
            ("long", Match(classifier=f"{HERE}:is_long")),
        ]
    )
    assert partition.of(asked(task="products")) == "sums"
    assert partition.of(asked(domain="law")) == "law"
    assert partition.of(asked(domain=7)) == "law"
    assert partition.of(asked("why?")) == "questions"
    assert partition.of(asked("a rather long order")) == "long"


def test_a_prompt_that_no_task_takes_has_none() -> None:
    assert Partition([("sums", Match(task=("sums",)))]).of(asked()) is None
    assert Partition([]).of(asked()) is None


def test_where_tasks_overlap_the_first_takes_the_prompt() -> None:
    tasks = [("long", Match(classifier=f"{HERE}:is_long")), ("all", Match(task=("default",)))]
    long = asked("a rather long order")
    assert Partition(tasks).of(long) == "long"
    assert Partition(tasks[::-1]).of(long) == "all"


def test_all_conditions_of_a_task_have_to_hold() -> None:
    match = Match(task=("default",), field="domain", values=("law",), classifier=f"{HERE}:is_long")
    partition = Partition([("long law", match)])
    assert partition.of(asked("a rather long order", domain="law")) == "long law"
    assert partition.of(asked("a rather long order", domain="art")) is None
    assert partition.of(asked("short", domain="law")) is None
    assert partition.of(asked("a rather long order", "other", domain="law")) is None


def test_a_classifier_that_says_neither_yes_nor_a_name_is_a_data_error() -> None:
    partition = Partition([("odd", Match(classifier=f"{HERE}:confused"))])
    with pytest.raises(DataError, match="found 3 for the prompt that begins 'do it'"):
        partition.of(asked())


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("[{name: a, match: {}}]", "expected a condition"),
        ("[{name: a, match: {field: domain}}]", "field and values together"),
        ("[{match: {task: [x]}}]", r"tasks.0.name"),
        ("[{name: a, match: {task: [x]}, samples: 1}]", "needs at least 2"),
        ("[{name: a, match: {task: [x]}, samples: 0}]", "null, or 1 or more, found 0"),
        ("[{name: a, match: {task: [x]}, weight: -1}]", "expected above 0"),
        ("[{name: a, match: {task: [x]}, objective: dppo}]", "did you mean"),
        ("[{name: a, match: {tasks: [x]}}]", "did you mean 'task'"),
    ],
)
def test_impossible_tasks_are_refused_when_the_configuration_is_read(
    tasks: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("tiny", [f"tasks={tasks}"])


def test_two_tasks_of_one_name_and_unknown_classifiers_are_refused() -> None:
    with pytest.raises(ConfigError, match="name of its own for each, found 'a'"):
        Partition([("a", Match(task=("x",))), ("a", Match(task=("y",)))])
    with pytest.raises(ConfigError, match="has no 'is_lung'"):
        Partition([("a", Match(classifier=f"{HERE}:is_lung"))])
