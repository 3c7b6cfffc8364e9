"""Claims about JSON Schema. Expected results follow the draft 2020-12."""

from __future__ import annotations

from typing import Any

import pytest

from selfplay.core.errors import ConfigError, DataError
from selfplay.core.json_schemas.validation import broken_keywords, check_schema

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "additionalProperties": False,
        }
    },
}

CASES: list[tuple[Any, list[Any], list[Any]]] = [
    ({}, [None, 1, "a", [], {}], []),
    ({"type": "integer"}, [1, 1.0, -3], [1.5, True, "1", None]),
    ({"type": ["number", "null"]}, [1.5, None], [False, "1"]),
    ({"type": "boolean"}, [True], [0, 1]),
    ({"type": "array"}, [[]], [{}, "[]"]),
    ({"enum": [1, "a", [True]]}, [1.0, "a", [True]], [True, "A", [1]]),
    ({"const": {"a": [1]}}, [{"a": [1.0]}], [{"a": [True]}, {"a": [1], "b": 2}]),
    ({"minimum": 1, "maximum": 2}, [1, 2, "0", None], [0.99, 2.5]),
    ({"exclusiveMinimum": 1, "exclusiveMaximum": 2}, [1.5], [1, 2]),
    ({"multipleOf": 0.1}, [0.3, 7, "x"], [0.35]),
    ({"minLength": 1, "maxLength": 2}, ["a", "éé", 5], ["", "abc"]),
    ({"pattern": "^a|b$"}, ["ax", "xb", 1], ["xa"]),
    ({"minItems": 1, "maxItems": 2}, [[1], [1, 2], {}], [[], [1, 2, 3]]),
    ({"uniqueItems": True}, [[1, True, "1"], [[1], [2]]], [[1, 1.0], [{"a": 1}, {"a": 1}]]),
    ({"uniqueItems": False}, [[1, 1]], []),
    ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}, []], [{}, {"a": 1, "b": 2}]),
    ({"required": ["a"]}, [{"a": None}, []], [{"b": 1}]),
    ({"properties": {"a": {"type": "string"}}}, [{"a": "x", "b": 1}, {}, 3], [{"a": 1}]),
    (
        {"properties": {"a": {}}, "additionalProperties": {"type": "integer"}},
        [{"a": "x", "b": 1}],
        [{"b": "x"}],
    ),
    ({"propertyNames": {"maxLength": 1}}, [{"a": 1}], [{"ab": 1}]),
    ({"items": {"type": "integer"}}, [[], [1, 2], "ab"], [[1, "2"]]),
    (
        {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
        [["a", 1], ["a"], []],
        [[1], ["a", "b"]],
    ),
    ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, [1.5], [0, 3]),
    ({"anyOf": [{"type": "string"}, {"minimum": 3}]}, ["a", 4, []], [2]),
    ({"oneOf": [{"type": "integer"}, {"minimum": 3}]}, [1, 3.5], [4, 2.5]),
    ({"not": {"type": "null"}}, [0, False], [None]),
    ({"properties": {"a": False}}, [{}, {"b": 1}], [{"a": 1}]),
    ({"title": "T", "format": "date", "default": 1}, ["no date"], []),
    (TREE, [{"name": "a", "children": [{"name": "b"}]}], [{"name": "a", "children": [{}]}, 1]),
]


@pytest.mark.parametrize(("schema", "valid", "invalid"), CASES)
def test_values_are_told_apart_as_the_draft_says(
    schema: Any, valid: list[Any], invalid: list[Any]
) -> None:
    check_schema(schema, "schema")
    assert [value for value in valid if broken_keywords(value, schema)] == []
    assert [value for value in invalid if not broken_keywords(value, schema)] == []


def test_broken_keywords_are_named_by_their_place_in_the_schema_and_once() -> None:
    bad = {"name": 1, "children": [{"extra": 1}, {"extra": 2}]}
    assert broken_keywords(bad, TREE) == (
        "#/$defs/node/properties/name/type",
        "#/$defs/node/required",
        "#/$defs/node/additionalProperties",
    )
    assert broken_keywords(1, False) == ("false",)
    assert broken_keywords([], {"anyOf": [{"minItems": 1}]}) == ("anyOf",)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([], "expected a schema"),
        ({"type": "text"}, r"schema\.type: expected one of null, boolean"),
        ({"type": []}, "or a list of them"),
        ({"enum": "a"}, "expected a list"),
        ({"minimum": "1"}, "expected a number"),
        ({"minLength": -1}, "0 or more"),
        ({"multipleOf": 0}, "above 0"),
        ({"pattern": "("}, "regular expression"),
        ({"required": "a"}, "list of names"),
        ({"minimun": 1}, r"schema\.minimun: this keyword cannot be checked; did you mean 'min"),
        ({"if": {}}, "cannot be checked"),
        ({"items": [{}]}, "expected a schema"),
        ({"anyOf": []}, "list of schemas"),
        ({"properties": {"a": {"type": 3}}}, r"schema\.properties\.a\.type"),
        ({"properties": []}, "schemas by name"),
        ({"$ref": "https://example.org/x.json"}, "a place in this schema"),
        ({"$ref": "#/$defs/a"}, "points to nothing"),
        ({"$ref": "#/x", "x": 3}, "expected a schema|cannot be checked"),
    ],
)
def test_what_cannot_be_checked_in_full_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_schema(schema, "schema")


def test_a_schema_that_is_only_itself_tells_nothing() -> None:
    schema = {"$ref": "#"}
    check_schema(schema, "schema")
    with pytest.raises(DataError, match="nested too deeply"):
        broken_keywords(1, schema)


def test_a_reference_may_have_escaped_names() -> None:
    schema = {"$ref": "#/$defs/a~1b~0", "$defs": {"a/b~": {"type": "null"}}}
    check_schema(schema, "schema")
    assert broken_keywords(1, schema) == ("#/$defs/a~1b~0/type",)
