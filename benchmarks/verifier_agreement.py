"""Does the verifier say of recorded real answers what their labels say?

GSM8K's recorded answers of four models, with a label each; and GSM8K's own worked solutions, which
end in "#### N". Beside the verifier stands an extraction that shares no code with it: a regular
expression on the marker, and equality of what stands behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from benchmarks.runner import HERE, Cell, Measurement
from meta.judges.table import VerifierOptions
from meta.judges.verifier import Verifier
from selfplay.core.types import Group, Prompt, Response
from selfplay.data.prompts import PromptFileOptions, read_prompts
from selfplay.data.recorded import read_recorded, to_group

DATA = HERE.parents[1] / "shared" / "data" / "gsm8k"
ANSWERS, SOLUTIONS = DATA / "example_model_solutions.jsonl", DATA / "test.jsonl"
LISTED = 20
"""Disagreements that are listed at most."""
EXCERPT = 60

FORMS = (
    "#### {}",
    "The answer is {}.",
    "**Answer:** {}",
    "Final answer: ${}",
    "So she needs \\boxed{{{}}} of them.",
    "The answer is {} apples.",
)
"""Other ways to write what stands behind the recorded answers' marker."""

Says: TypeAlias = Callable[[Prompt, str], float | None]
"""1 for a right answer, 0 for a wrong one, None where nothing can be said."""


@dataclass(frozen=True)
class Case:
    """An answer and what is known of it."""

    prompt: Prompt
    text: str
    right: bool


def measure() -> Measurement:
    """A row for each judge and set of answers.

    Raises:
        SystemExit: GSM8K is not there; then nothing is measured and no record changes.
    """
    absent = [path.name for path in (ANSWERS, SOLUTIONS) if not path.is_file()]
    if absent:
        raise SystemExit(
            f"verifier_agreement: skipped, since GSM8K's {', '.join(absent)} is not in "
            "shared/data/gsm8k beside the project"
        )
    recorded, own, foreign = recorded_answers(), solutions(0), solutions(1)
    verifier = verdict_of(VerifierOptions())
    rows = [
        row("recorded", "label", "verifier", recorded, verifier),
        row("recorded", "label", "regex 'A:'", recorded, by_regex("A:")),
        row("recorded", "regex 'A:'", "verifier", by(by_regex("A:"), recorded), verifier),
        row("own solutions", "right", "verifier", own, verifier),
        row("others' solutions", "equal golds", "verifier", foreign, verifier),
    ]
    both = by(by_regex("####"), [*own, *foreign])
    rows.append(row("own and others' solutions", "regex '####'", "verifier", both, verifier))
    for form in FORMS:
        written = as_form(recorded, form)
        rows.append(
            row(f"recorded, as '{form.format('N')}'", "label", "verifier", written, verifier)
        )
    return Measurement(
        title="The verifier against recorded labels",
        question=(
            "Of how many real answers does the verifier say what their labels say, and what an "
            "independent extraction says?"
        ),
        rows=rows,
        notes=notes(recorded, verifier),
    )


def recorded_answers() -> list[Case]:
    """The models' answers with their labels."""
    groups = [to_group(found) for found in read_recorded(ANSWERS, "gsm8k_solutions")]
    return [
        Case(group.prompt, response.text, bool(reward))
        for group in groups
        for response, reward in zip(group.responses, group.rewards, strict=True)
    ]


def as_form(cases: Sequence[Case], form: str) -> list[Case]:
    """The answers with their last line written otherwise; those without the marker left out."""
    parts = [(case, *case.text.rpartition("\nA:")[1:]) for case in cases]
    return [
        Case(case.prompt, case.text[: -len(end) - 3] + "\n" + form.format(end.strip()), case.right)
        for case, marker, end in parts
        if marker
    ]


def solutions(shift: int) -> list[Case]:
    """The worked solutions of the questions `shift` places further, as answers to each."""
    prompts = read_prompts(PromptFileOptions(str(SOLUTIONS))).prompts
    texts = [str(prompt.extra["answer"]) for prompt in prompts]
    golds = [prompt.answer for prompt in prompts]
    return [
        Case(prompt, texts[(i + shift) % len(texts)], golds[(i + shift) % len(golds)] == golds[i])
        for i, prompt in enumerate(prompts)
    ]


def verdict_of(options: VerifierOptions) -> Says:
    """What the verifier says."""
    verifier = Verifier(options)

    def says(prompt: Prompt, text: str) -> float | None:
        response = Response(text, np.array([], np.int32), None, "recorded")
        ((verdict,),) = verifier.judge([Group(prompt, (response,), "evaluate", 0)])
        return verdict.reward

    return says


def by_regex(marker: str) -> Says:
    """Equality of what stands behind the last marker with the gold, commas left out."""
    pattern = re.compile(rf"^{re.escape(marker)}[ \t]*(.*?)[ \t]*$", re.MULTILINE)

    def says(prompt: Prompt, text: str) -> float | None:
        found = pattern.findall(text)
        gold = (prompt.answer or "").replace(",", "")
        return float(bool(found) and found[-1].replace(",", "") == gold)

    return says


def by(says: Says, cases: Sequence[Case]) -> list[Case]:
    """The cases, with what `says` says of them in place of the labels."""
    return [Case(c.prompt, c.text, says(c.prompt, c.text) == 1.0) for c in cases]


def row(what: str, known: str, who: str, cases: Sequence[Case], says: Says) -> dict[str, Cell]:
    """How often a judge says what is known."""
    said = [(case.right, says(case.prompt, case.text)) for case in cases]
    return {
        "answers": what,
        "held against": known,
        "judge": who,
        "n": len(said),
        "agreement": float(np.mean([found == float(right) for right, found in said])),
        "wrong called right": sum(found == 1.0 and not right for right, found in said),
        "right called wrong": sum(found == 0.0 and right for right, found in said),
        "missing": sum(found is None for _, found in said),
    }


def notes(cases: Sequence[Case], verifier: Says) -> str:
    """How it was measured, and every disagreement with its explanation."""
    said = [(case, verifier(case.prompt, case.text)) for case in cases]
    wrong = [(case, found) for case, found in said if found != float(case.right)]
    right = np.mean([case.right for case in cases])
    told = (
        f"GSM8K's recorded answers of four models to {len({c.prompt.id for c in cases}):,} "
        f"questions, {right:.0%} of them labelled right; the aim is an agreement of 0.99. The "
        "regular expression takes what stands behind the last marker at the beginning of a line, "
        "and compares texts, commas left out. Solutions are GSM8K's worked ones, which end in "
        "'#### N'; others' are those of the next question, so nearly all of them are wrong. An "
        "answer that the verifier cannot find counts as wrong; missing is what it could not judge. "
        "A comparison of texts agrees with the labels too, so the first row says no more than that "
        "the verifier misreads nothing; that it reads other ways of writing is what the last rows "
        "say: the same answers, written otherwise (11 without the marker left out). "
    )
    if not wrong:
        return told + "Verifier and labels disagree about none of the recorded answers."
    listed = "; ".join(explained(case, found) for case, found in wrong[:LISTED])
    more = f"; {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
    return told + f"Verifier and labels disagree about {len(wrong)}: {listed}{more}."


def explained(case: Case, said: float | None) -> str:
    """A disagreement, and what it comes from as far as the texts tell."""
    verifier = Verifier(VerifierOptions())
    found = verifier.final_answer(case.text)
    gold = verifier.final_answer(case.prompt.answer or "")
    label = "right" if case.right else "wrong"
    if said is None:
        why = "the verifier could not judge it"
    elif found == gold:
        why = "both are the same number, so the label is in doubt"
    elif found is None:
        why = "there is no answer to be found"
    else:
        why = "the answer found is another one than the gold"
    text = " ".join(case.prompt.text[:EXCERPT].split())
    return f"'{text}…' (gold {gold}, found {found}, labelled {label}): {why}"
