"""What a judging model is asked when it grades a response by a rubric, and the form of its reply.

One JSON object, in which each criterion has its rationale before its score: a model that writes
from left to right then scores for the reasons that it gave. A plan may come first: how the prompt
is to be answered, before the response is looked at (MPO's plan, execute, score for mathematics,
arXiv 2504.20157). The rubric stands in front of everything that differs between responses, so that
servers that keep prefixes read it once.

The form's placeholders are no JSON: a model that repeats the form has not scored anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from meta.judges.llm.quoting import VERSION as QUOTING
from meta.judges.llm.quoting import exhibit
from meta.rubrics.rubric import Criterion
from selfplay.core.types import Chat, Prompt, user

CODE, PLAN, CRITERIA, RATIONALE, SCORE = "code", "plan", "criteria", "rationale", "score"
"""The keys of a reply."""

_WORDING = 1
WORDING = f"grading-{_WORDING}.{QUOTING}"
"""Names the wording; the first number goes up when something here changes."""

_FRAME = """\
You grade one response to one prompt by a rubric. Grade what the response does, not what it says \
about itself. Each criterion stands for itself: score it by its own text alone.

The criteria, each with its id, the range of its score and what is asked:
{criteria}

{shown}

{task}
Reply with one JSON object and nothing else, in this form:
{form}"""

_FAULT = "; a fault: the more there is of it, the higher the score"
_REFERENCE = "The reference answer is right; a response may word it otherwise.\n"
_TASK = (
    "For each criterion write first a rationale of one or two sentences, then its score, a number "
    "within its range."
)
_PLAN_TASK = (
    "Write a plan first: how the prompt is to be answered, step by step, and what a grader has to "
    "look for. Go through the response by that plan. "
)


def request(
    criteria: Sequence[Criterion], prompt: Prompt, response: str, *, plan: bool, reference: bool
) -> tuple[Chat, str]:
    """What the judging model is asked, and the code that its reply has to repeat.

    Args:
        criteria: those that the model scores.
        prompt: with a gold answer, where the reference is shown.
        response: its text.
        plan: whether a plan comes first.
        reference: whether the gold answer is shown.
    """
    shown, code = exhibit(prompt, response, reference=reference)
    chat = user(
        _FRAME.format(
            criteria="\n".join(map(_described, criteria)),
            shown=shown,
            task=(_REFERENCE if reference else "") + (_PLAN_TASK if plan else "") + _TASK,
            form=_form(criteria, code, plan=plan),
        )
    )
    return chat, code


def response_format(criteria: Sequence[Criterion], *, plan: bool) -> dict[str, Any]:
    """The reply's JSON schema as servers take it (`response_format`).

    It is the same for every response, so that a server compiles it once; ranges and the code are
    left to the reader of the reply, since not every server can enforce them.
    """
    text = {"type": "string"}
    scored = _object({RATIONALE: text, SCORE: {"type": "number"}})
    properties: dict[str, Any] = {CODE: text}
    if plan:
        properties[PLAN] = text
    properties[CRITERIA] = _object({criterion.id: scored for criterion in criteria})
    schema = {"name": "verdict", "strict": True, "schema": _object(properties)}
    return {"type": "json_schema", "json_schema": schema}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _described(criterion: Criterion) -> str:
    low, high = criterion.range
    fault = _FAULT if criterion.sign == "deduction" else ""
    return f"- {criterion.id} (from {low:g} to {high:g}{fault}): {criterion.text}"


def _form(criteria: Sequence[Criterion], code: str, *, plan: bool) -> str:
    scored = ", ".join(
        f'{json.dumps(criterion.id)}: {{"{RATIONALE}": "...", "{SCORE}": <number>}}'
        for criterion in criteria
    )
    planned = f'"{PLAN}": "...", ' if plan else ""
    return f'{{"{CODE}": "{code}", {planned}"{CRITERIA}": {{{scored}}}}}'
