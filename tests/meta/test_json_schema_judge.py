"""Claims about the judge of structured outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meta.judges.json_schema import MOST_VIOLATIONS, JsonSchemaJudge
from meta.judges.table import JsonSchemaOptions
from meta.meta import Meta
from selfplay.config import load_config
from selfplay.core.errors import ConfigError
from selfplay.core.types import Group, Prompt, Response, Verdict, user

PRICE = {
    "type": "object",
    "required": ["price"],
    "properties": {"price": {"type": "number", "minimum": 0}},
    "additionalProperties": False,
}


def group(*texts: str, **extra: Any) -> Group:
    responses = tuple(Response(text, np.array([], np.int32), None, "recorded") for text in texts)
    return Group(Prompt(user("?"), extra=extra), responses, "train", 0)


def judged(options: JsonSchemaOptions, *groups: Group) -> list[tuple[Verdict, ...]]:
    options.check("meta.judge")
    return JsonSchemaJudge(options).judge(groups)


def test_a_valid_value_is_1_and_what_is_broken_is_named() -> None:
    (verdicts,) = judged(
        JsonSchemaOptions(PRICE),
        group('{"price": 2.5}', '{"price": -1, "tax": 1}', "The price is 2.50.", "[]"),
    )
    assert [v.reward for v in verdicts] == [1.0, 0.0, 0.0, 0.0]
    assert [v.scores["json"] for v in verdicts] == [1.0, 1.0, 0.0, 1.0]
    assert verdicts[0].violations == ()
    assert verdicts[1].violations == ("properties/price/minimum", "additionalProperties")
    assert verdicts[2].violations == ("json",)
    assert verdicts[3].violations == ("type",)


def test_the_json_is_taken_from_where_it_is_expected() -> None:
    text = 'Here:\n```json\n{"price": 1}\n```'
    rewards = [
        judged(JsonSchemaOptions(PRICE, extract=extract), group(text, '{"price": 1}'))[0]
        for extract in ("auto", "whole", "fenced")
    ]
    assert [[v.reward for v in verdicts] for verdicts in rewards] == [[1, 1], [0, 1], [1, 0]]


def test_each_prompt_may_bring_its_own_schema_as_a_mapping_or_as_text() -> None:
    options = JsonSchemaOptions(column="schema")
    verdicts = judged(
        options,
        group('{"price": 1}', schema=PRICE),
        group("3", schema='{"type": "string"}'),
        group("3"),
        group("3", schema={"typo": 1}),
        group("3", schema="{"),
        group("3", schema='{"minimum": 4, "minimum": 0}'),
    )
    assert [of_group[0].reward for of_group in verdicts] == [1.0, 0.0, None, None, None, None]
    reasons = [of_group[0].reason for of_group in verdicts[2:]]
    assert "no column 'schema'" in reasons[0]
    assert "cannot be checked" in reasons[1]
    assert "is no JSON" in reasons[2]
    assert "the key 'minimum' twice" in reasons[3]


def test_a_value_that_cannot_be_compared_is_missing() -> None:
    ((verdict,),) = judged(JsonSchemaOptions({"$ref": "#"}), group("1"))
    assert verdict.reward is None
    assert "nested too deeply" in verdict.reason


def test_violations_are_bounded() -> None:
    many = {"properties": {f"p{i}": {"type": "string"} for i in range(20)}}
    text = json.dumps({f"p{i}": i for i in range(20)})
    ((verdict,),) = judged(JsonSchemaOptions(many), group(text))
    assert len(verdict.violations) == MOST_VIOLATIONS


def test_a_schema_in_a_file_judges_alike_and_its_content_is_in_the_fingerprint(
    tmp_path: Path,
) -> None:
    path = tmp_path / "schema.json"
    prints = []
    for least in (0, 1):
        path.write_text(json.dumps({"type": "number", "minimum": least}), encoding="utf-8")
        ((verdict,),) = judged(JsonSchemaOptions(file=str(path)), group("0"))
        assert verdict.reward == float(least == 0)
        judge = f"meta.judge={{name: json_schema, file: '{path}'}}"
        prints.append(Meta(load_config(None, [judge]).config.meta).fingerprint)
    assert prints[0] != prints[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (JsonSchemaOptions(), "one of schema, file and column, found 0"),
        (JsonSchemaOptions(PRICE, column="schema"), "found 2"),
        (JsonSchemaOptions({"type": "nmber"}), r"meta\.judge\.schema\.type"),
        (JsonSchemaOptions(PRICE, extract="middle"), "auto or whole or fenced"),
    ],
)
def test_what_could_not_be_judged_by_is_refused(options: JsonSchemaOptions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options.check("meta.judge")


def test_a_file_that_holds_no_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    with pytest.raises(ConfigError, match="No such file"):
        JsonSchemaJudge(JsonSchemaOptions(file=str(path)))
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="expected JSON"):
        JsonSchemaJudge(JsonSchemaOptions(file=str(path)))
    path.write_text('{"types": 1}', encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be checked"):
        JsonSchemaJudge(JsonSchemaOptions(file=str(path)))


def test_a_schema_stands_in_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "meta:\n"
        "  judge:\n"
        "    name: json_schema\n"
        "    schema:\n"
        "      type: object\n"
        "      required: [price]\n"
        "      properties: {price: {$ref: '#/$defs/price'}}\n"
        "      $defs: {price: {enum: [1, 2]}}\n",
        encoding="utf-8",
    )
    meta = Meta(load_config(path, []).config.meta)
    (verdicts,) = meta.judge([group('{"price": 2}', '{"price": 3}')])
    assert [v.reward for v in verdicts] == [1.0, 0.0]
