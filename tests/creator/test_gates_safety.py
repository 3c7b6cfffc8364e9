from __future__ import annotations

from pathlib import Path

import pytest

from creator.gates.safety import Safety
from creator.gates.table import SafetyOptions
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.types import Prompt, user


def reasons(options: SafetyOptions, *texts: str) -> list[str]:
    return Safety(options, object()).reasons([Prompt(user(text)) for text in texts])


def blocklist(directory: Path, text: str) -> str:
    path = directory / "patterns.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


LIST = r"""
# what must not be asked
\bsecret recipe\b
[weapons]
\b(?:build|make) a bomb\b
"""


def test_a_heading_is_the_reason(tmp_path: Path) -> None:
    options = SafetyOptions(patterns=blocklist(tmp_path, LIST))
    asked = ("How do I BUILD  a\nbomb?", "Tell the secret recipe", "How do I bake bread?")
    assert reasons(options, *asked) == ["unsafe: weapons", "unsafe: blocklist", ""]


def test_invisible_and_full_width_characters_hide_nothing(tmp_path: Path) -> None:
    options = SafetyOptions(patterns=blocklist(tmp_path, LIST))
    assert reasons(options, "ｂｕｉｌｄ a bo\u200bmb") == ["unsafe: weapons"]


def test_a_judge_sees_what_the_blocklist_let_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "guard.py").write_text(
        "seen = []\ndef judge(texts):\n    seen.extend(texts)\n"
        "    return ['shouts' if text.isupper() else '' for text in texts]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    options = SafetyOptions(blocklist(tmp_path, LIST), "guard:judge")
    asked = ("MAKE A BOMB", "HELLO", "hello")
    assert reasons(options, *asked) == ["unsafe: weapons", "unsafe: shouts", ""]
    import guard  # type: ignore[import-not-found]

    assert guard.seen == ["HELLO", "hello"]


def test_a_judge_that_answers_off_contract_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "careless.py").write_text("def judge(texts):\n    return [True] * len(texts)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=r"'careless:judge': expected a list of 1 texts"):
        reasons(SafetyOptions(judge="careless:judge"), "hello")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing\n", "expected patterns in .*, found none"),
        ("fine\n[odd]\n(unclosed\n", r"patterns\.txt, line 3: expected a regular expression"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Safety(SafetyOptions(patterns=blocklist(tmp_path, text)), object())


def test_a_gate_that_lets_everything_pass_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a patterns file, a judge, or both"):
        SafetyOptions().check("gate")
    with pytest.raises(ConfigError, match="expected a text file"):
        Safety(SafetyOptions(patterns=str(tmp_path / "absent.txt")), object())
