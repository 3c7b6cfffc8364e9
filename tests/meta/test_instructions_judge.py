"""Claims about the judge of verifiable instructions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meta.judges.instructions import InstructionsJudge
from meta.judges.table import JUDGES, InstructionsOptions
from meta.meta import Meta
from selfplay.config import load_config
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.types import Group, Prompt, Response, Verdict, user
from selfplay.data.prompts import PromptFileOptions, read_prompts

ASKED = {
    "instruction_id_list": [
        "punctuation:no_comma",
        "length_constraints:number_words",
        "startend:end_checker",
    ],
    "kwargs": [{}, {"num_words": 3, "relation": "at least"}, {"end_phrase": "The end."}],
}


def group(extra: dict[str, Any], *texts: str) -> Group:
    responses = tuple(Response(text, np.array([], np.int32), None, "recorded") for text in texts)
    return Group(Prompt(user("?"), extra=extra), responses, "train", 0)


def judged(options: InstructionsOptions, *groups: Group) -> list[tuple[Verdict, ...]]:
    return InstructionsJudge(options).judge(groups)


def test_the_reward_is_the_share_of_instructions_followed_each_with_its_score() -> None:
    (verdicts,) = judged(
        InstructionsOptions(), group(ASKED, "This is it. The end.", "No, not yet", "So, the end.")
    )
    assert [v.reward for v in verdicts] == pytest.approx([1.0, 1 / 3, 2 / 3])
    assert dict(verdicts[1].scores) == {
        "punctuation:no_comma": 0.0,
        "length_constraints:number_words": 1.0,
        "startend:end_checker": 0.0,
    }
    assert verdicts[1].violations == ("punctuation:no_comma", "startend:end_checker")
    assert verdicts[0].violations == ()


def test_all_or_nothing_pays_only_for_all() -> None:
    (verdicts,) = judged(
        InstructionsOptions(reward="all"), group(ASKED, "This is it. The end.", "So, the end.")
    )
    assert [v.reward for v in verdicts] == [1.0, 0.0]
    assert verdicts[1].scores["length_constraints:number_words"] == 1.0


def test_loose_evaluation_is_an_option() -> None:
    text = "Sure, here it is:\nThis is it. The end."
    asked = group(ASKED, text)
    ((strict,),) = judged(InstructionsOptions(), asked)
    ((loose,),) = judged(InstructionsOptions(evaluation="loose"), asked)
    assert (strict.violations, loose.violations) == (("punctuation:no_comma",), ())


def test_instructions_that_cannot_be_used_are_missing_for_their_prompt_alone() -> None:
    bad = ASKED | {"kwargs": [{}, {}, {}]}
    verdicts = judged(
        InstructionsOptions(), group({}, "a", "b"), group(bad, "a"), group(ASKED, "The end.")
    )
    assert [len(of_group) for of_group in verdicts] == [2, 1, 1]
    assert {v.reward for of_group in verdicts[:2] for v in of_group} == {None}
    assert "has no instructions" in verdicts[0][1].reason
    assert "num_words" in verdicts[1][0].reason
    assert verdicts[2][0].reward is not None


def test_one_instruction_that_cannot_be_told_leaves_the_reward_missing_and_the_rest_known() -> None:
    extra = {
        "instruction_id_list": ["punctuation:no_comma", "language:response_language"],
        "kwargs": [{}, {"language": "fr"}],
    }
    ((verdict,),) = judged(InstructionsOptions(), group(extra, "Paris, Lyon"))
    assert verdict.reward is None
    assert "cannot be told" in verdict.reason
    assert verdict.violations == ("punctuation:no_comma",)


def test_a_prompt_file_in_ifevals_layout_is_judged_as_configured(tmp_path: Path) -> None:
    row = {"key": 1, "prompt": "Write. No commas.", **ASKED}
    (tmp_path / "prompts.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (prompt,) = read_prompts(PromptFileOptions(str(tmp_path / "prompts.jsonl"))).prompts
    path = tmp_path / "run.yaml"
    path.write_text(
        "meta:\n"
        "  judge: {name: instructions, reward: all}\n"
        "  constraints:\n"
        "    - {judge: {name: check, kind: 'punctuation:no_comma'}, name: commas}\n",
        encoding="utf-8",
    )
    meta = Meta(load_config(path, []).config.meta)
    responses = group({}, "This is it. The end.", "Well, yes. The end.").responses
    (verdicts,) = meta.judge([Group(prompt, responses, "train", 0)])
    assert [(v.reward, v.violations) for v in verdicts] == [(1.0, ()), (0.0, ("commas",))]


@pytest.mark.parametrize("options", [{"reward": "half"}, {"evaluation": "lose"}])
def test_unknown_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        InstructionsOptions(**options).check("meta.judge")


def test_the_options_are_in_the_fingerprint() -> None:
    prints = {
        Meta(load_config(None, [f"meta.judge={text}"]).config.meta).fingerprint
        for text in ("{name: instructions}", "{name: instructions, evaluation: loose}")
    }
    assert len(prints) == 2
    assert chosen("instructions", JUDGES).build(None).name == "instructions"
