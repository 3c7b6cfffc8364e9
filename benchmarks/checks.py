"""What do verdicts in code cost? 10,000 responses of 60 tokens by each check, rubric and verifier.

One process, one thread. Responses are distinct English sentences made of frequent words, with the
marks that checks look for strewn in: every check has to look at the whole text.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.runner import Cell, Measurement
from meta.judges.check import CheckJudge
from meta.judges.instructions import InstructionsJudge
from meta.judges.json_schema import JsonSchemaJudge
from meta.judges.rubric_checks import RubricChecks
from meta.judges.table import CheckOptions, InstructionsOptions, JsonSchemaOptions
from meta.rubrics.rubric import SHIPPED, Criterion, Rubric, read_rubric
from selfplay.core.checks import CHECKS
from selfplay.core.components import NoOptions
from selfplay.core.types import Group, Prompt, Response, user

GROUPS, EACH, TOKENS = 1250, 8, 60
REPEATS = 5
AIM = 1.0
"""Seconds for all the verdicts."""

ASKED: Mapping[str, Mapping[str, Any]] = {
    "pattern": {"regex": r"\d+ apples"},
    "starts_with": {"texts": ["Certainly"]},
    "ends_with": {"texts": ["."]},
    "keywords": {"texts": ["apple", "price", "total"]},
    "keywords:existence": {"keywords": ["apple", "price"]},
    "keywords:frequency": {"keyword": "price", "frequency": 2, "relation": "at least"},
    "keywords:forbidden_words": {"forbidden_words": ["pear", "sorry"]},
    "keywords:letter_frequency": {"letter": "e", "let_frequency": 9, "let_relation": "at least"},
    "language:response_language": {"language": "en"},
    "length_constraints:number_sentences": {"num_sentences": 4, "relation": "at least"},
    "length_constraints:number_paragraphs": {"num_paragraphs": 2},
    "length_constraints:number_words": {"num_words": 50, "relation": "at least"},
    "length_constraints:nth_paragraph_first_word": {
        "num_paragraphs": 1,
        "nth_paragraph": 1,
        "first_word": "the",
    },
    "detectable_content:number_placeholders": {"num_placeholders": 1},
    "detectable_format:number_bullet_lists": {"num_bullets": 2},
    "detectable_format:number_highlighted_sections": {"num_highlights": 1},
    "detectable_format:multiple_sections": {"section_spliter": "Section", "num_sections": 2},
    "combination:repeat_prompt": {"prompt_to_repeat": "Write about the price of apples."},
    "startend:end_checker": {"end_phrase": "that is all."},
    "change_case:capital_word_frequency": {
        "capital_frequency": 2,
        "capital_relation": "at least",
    },
}
"""Parameters of the checks that need some."""

LENGTH, WORDS, COMMA = "length", "length_constraints:number_words", "punctuation:no_comma"
FIVE = Rubric(
    tuple(
        Criterion(f"c{i}", check, check=check, params=ASKED.get(check, {}))
        for i, check in enumerate((LENGTH, "repetition", "keywords", "ends_with", COMMA))
    )
)
SCHEMA = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "maxLength": 1000}},
}


def measure() -> Measurement:
    """Median over repeats of the seconds that all the verdicts take."""
    groups = make_groups()
    judges: dict[str, Callable[[Sequence[Group]], object]] = {
        f"check {kind}": CheckJudge(CheckOptions(kind, dict(ASKED.get(kind, {})))).judge
        for kind in CHECKS
    }
    shipped = read_rubric(SHIPPED / "surface.yaml")
    judges["rubric surface (2 checks)"] = RubricChecks(NoOptions(), shipped).judge
    judges["rubric of 5 checks"] = RubricChecks(NoOptions(), FIVE).judge
    for evaluation in ("strict", "loose"):
        judge = InstructionsJudge(InstructionsOptions(evaluation))
        judges[f"instructions, 3 each, {evaluation}"] = judge.judge
    judges["json_schema"] = JsonSchemaJudge(JsonSchemaOptions(SCHEMA)).judge
    return Measurement(
        title="Verdicts in code",
        question=(
            f"How long do {GROUPS * EACH:,} verdicts on responses of {TOKENS} tokens take? "
            f"Aim for criteria of the kind `check`: {AIM:g} s."
        ),
        rows=[row(name, judge, groups) for name, judge in judges.items()],
        notes=(
            f"{GROUPS} groups of {EACH}; median, least and most of {REPEATS}; judges are asked as "
            "a round asks them, verdicts included. One thread: its CPU time, which the aim is "
            "about, is what an idle core takes; the wall-clock time is that of a shared machine."
        ),
    )


def row(
    name: str, judge: Callable[[Sequence[Group]], object], groups: Sequence[Group]
) -> dict[str, Cell]:
    """One judge."""
    judge(groups[:10])
    times = [seconds(lambda: judge(groups)) for _ in range(REPEATS)]
    cpu = sorted(cpu for cpu, _ in times)
    return {
        "judge": name,
        "CPU s": statistics.median(cpu),
        "min": cpu[0],
        "max": cpu[-1],
        "wall s": statistics.median(wall for _, wall in times),
        "within the aim": "yes" if statistics.median(cpu) <= AIM else "no",
    }


def make_groups() -> list[Group]:
    """Prompts that bring three instructions, a gold answer and distinct responses."""
    rng = np.random.default_rng(0)
    extra = {
        "instruction_id_list": [COMMA, WORDS, "keywords:existence"],
        "kwargs": [{}, ASKED[WORDS], ASKED["keywords:existence"]],
    }
    return [
        Group(
            Prompt(user(f"Write about the price of apples. ({i})"), answer="7", extra=extra),
            tuple(response(rng) for _ in range(EACH)),
            "train",
            0,
        )
        for i in range(GROUPS)
    ]


def response(rng: np.random.Generator) -> Response:
    """Sentences of frequent English words: some 48 words, which are 60 tokens of a usual model."""
    words = [str(word) for word in rng.choice(VOCABULARY, TOKENS * 4 // 5)]
    for i in range(7, len(words), 8):
        words[i] += str(rng.choice([".", ",", "?", "!\n"]))
    text = " ".join([*words, str(rng.integers(1000)), "that is all."])
    return Response(text, np.arange(TOKENS, dtype=np.int32), None, "stop")


VOCABULARY = str.split(
    "the of and to in is that it was for on are with as his they be at this have from or had by "
    "what how many much does do if you your which when than there price apple market total because "
    "another every *bold* [name] NATO people water little number sentence before through great"
)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall-clock time of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall
