"""Claims about regular expressions on texts that others wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from creator.gates.safety import Safety
from creator.gates.table import SafetyOptions
from selfplay.core.checks import Pattern, pattern
from selfplay.core.errors import ConfigError
from selfplay.core.json_schemas.validation import broken_keywords, check_schema
from selfplay.core.patterns import is_found, pattern_fault
from selfplay.core.types import Prompt, user

ENDLESS = r"^(a|aa)+$"
BAIT = "a" * 60 + "!"
"""On which the pattern takes 2^60 steps."""


def test_a_pattern_is_found_as_pythons_own_engine_finds_it() -> None:
    texts = ("", "abc", "ABC\ndef", "x=12", "a.b")
    for source in (r"b", r"^abc$", r"\d{2}", r"(?i)abc", r"a.b", r"(?P<x>a)(?P=x)?", r"[^\W\d]+"):
        for text in texts:
            assert is_found(source, text) == (re.search(source, text) is not None)
            whole = re.fullmatch(source, text, re.DOTALL) is not None
            assert is_found(source, text, whole=True, flags=re.DOTALL) == whole


@pytest.mark.parametrize("source", ["(", "[a", "a{2,1}", "(?P<x>a)(?P<x>b)", None, 3])
def test_what_is_no_pattern_is_said(source: object) -> None:
    assert pattern_fault(source)
    assert not pattern_fault("a+")


def test_a_pattern_that_would_take_for_ever_is_given_up() -> None:
    assert not is_found(ENDLESS, BAIT, seconds=0.05)
    assert is_found(ENDLESS, BAIT, seconds=0.05, otherwise=True)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = is_found.__kwdefaults__
    monkeypatch.setattr(is_found, "__kwdefaults__", {**defaults, "seconds": 0.05})


@pytest.mark.usefixtures("hurried")
def test_checks_schemas_and_blocklists_are_not_held_up(tmp_path: Path) -> None:
    schema = {"type": "string", "pattern": ENDLESS}
    check_schema(schema, "schema")
    assert broken_keywords(BAIT, schema) == ("pattern",)
    assert broken_keywords("aaa", schema) == ()
    assert pattern(BAIT, Prompt(user("?")), Pattern(ENDLESS)) == 0.0
    (tmp_path / "list.txt").write_text(f"[slow]\n{ENDLESS}\n", encoding="utf-8")
    gate = Safety(SafetyOptions(patterns=str(tmp_path / "list.txt")), None)
    assert gate.reasons([Prompt(user(BAIT)), Prompt(user("?!"))]) == ["unsafe: slow", ""]


def test_a_schema_with_what_is_no_pattern_is_refused() -> None:
    for source in ("(", 3):
        with pytest.raises(ConfigError, match="expected a regular expression"):
            check_schema({"pattern": source}, "schema")
