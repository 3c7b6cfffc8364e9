"""What a reviewing model is asked in each of MPO's three steps (arXiv 2504.20157), and the form.

Everything that it is shown, its own earlier replies and the rubric included, stands between lines
that carry a code (`meta.judges.llm.quoting`): rollouts, and whatever was written after reading
them, are material. All requests of a step have one code and begin alike, so that servers that keep
prefixes read that part once. The forms' placeholders are no JSON.

Left out of what is shown: held-out accuracy, and anchors that are not among the rollouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from meta.judges.llm.quoting import asked, code_for, material
from meta.reviewers import Evidence
from meta.reviewers.llm.replies import ANALYSIS, CODE, CRITERIA, Rules
from meta.reviewers.llm.shown import Shown
from meta.rubrics.rubric import MAX_CRITERIA, MAX_NAME, MAX_TEXT, write_yaml
from selfplay.core.checks import CHECKS
from selfplay.core.types import Chat, user

_ROUNDS, _METRICS, _EDITS = 8, 32, 8
"""Latest rounds of the training state, metrics of it, and latest past edits that are shown."""

_ROLE = """\
You look after the judge of a language model that learns by reinforcement. The judge scores the \
model's responses by the rubric in force, and the model learns whatever scores high, the rubric's \
faults included."""

_ANALYSE = """\
{role} Your task is to analyse one rollout.

{shown}

Write an analysis of the rollout, in 200 words at most. Are the judge's scores deserved, by the \
response itself and by what the judge wrote? What does the rubric miss or reward wrongly here, and \
does the response use a loophole of it? What kind of change to the rubric would help? Speak of \
kinds of responses: a rubric serves every prompt, so what this one is about must not enter it.
Reply with one JSON object and nothing else, in this form:
{form}"""

_REFINE = """\
{role} Your task is to refine the rubric by analyses of rollouts.

{shown}

Write the refined rubric. Close the loopholes and mend the faults that the analyses show, keep \
what works, and change no more than that takes. Past edits show which kinds of changes held.
{rules}
Reply with one JSON object and nothing else, in this form:
{form}"""

_MERGE = """\
{role} Several refinements of the rubric have been made, each by other rollouts. Your task is to \
merge them into one rubric.

{shown}

Write the merged rubric. Keep what several refinements ask for and what closes a loophole for \
good, make one of criteria that ask the same, and leave out what serves few prompts or \
contradicts the rest. Past edits show which kinds of changes held.
{rules}
Reply with one JSON object and nothing else, in this form:
{form}"""

_RULES = """\
The rules of a rubric:
- It has 1 to {most} criteria. The reply names all of them: what it leaves out is removed.
- An id has letters, digits, '-' and '_', up to {name} of them. What you keep keeps its id.
- A text says in up to {text} characters what a judge looks for in a response, in words that fit \
every prompt: no names, numbers or phrases of a single prompt or response.
- A weight is above 0 and up to {weight:g}. A range is [lowest, highest], the scores that a judge \
can give, such as [0, 5].
- A sign is "reward" or "deduction". A deduction names a fault: the more there is of it, the \
higher its score, and the more is taken off."""
_FIXED = "- These stay as they are, and the reply does not name them: {ids}."
_CHECKED = """\
- The kind is "judge" (a language model scores it; check is "" and params is "{{}}") or "check" \
(code scores it, from not at all to fully). The checks, with the keys of params, a JSON object as \
a text:
{checks}"""


@dataclass(frozen=True)
class Request:
    """A chat, and the code that its reply has to repeat."""

    chat: Chat
    code: str


@dataclass(frozen=True)
class Wording:
    """The requests of one review."""

    evidence: Evidence
    rules: Rules
    reference: bool
    """Whether gold answers are shown."""
    longest: int
    """Characters of one text of a rollout that are shown."""

    def analyses(self, rollouts: Sequence[Shown]) -> list[Request]:
        """One request for each rollout."""
        return self._requests(_ANALYSE, [self._rollout(rollout) for rollout in rollouts])

    def refinements(self, batches: Sequence[Sequence[str]]) -> list[Request]:
        """One request for each batch of analyses."""
        return self._requests(_REFINE, [_numbered("analysis", batch) for batch in batches])

    def merging(self, drafts: Sequence[str]) -> Request:
        """The request to merge these rubrics, as YAML."""
        return self._requests(_MERGE, [_numbered("refinement", drafts)])[0]

    def _requests(self, frame: str, shown: Sequence[Mapping[str, str]]) -> list[Request]:
        context = self._context()
        code = code_for([*context.values(), *(text for own in shown for text in own.values())])
        rules, form = self._rules(), self._form(code)
        if frame is _ANALYSE:
            form = f'{{"{CODE}": "{code}", "{ANALYSIS}": <text>}}'
        return [
            Request(
                user(
                    frame.format(
                        role=_ROLE,
                        shown=material({**context, **own}, code),
                        rules=rules,
                        form=form,
                    )
                ),
                code,
            )
            for own in shown
        ]

    def _context(self) -> dict[str, str]:
        """What every request shows."""
        evidence = self.evidence
        texts = {"rubric in force": evidence.rubric.to_yaml()}
        if evidence.alarms:
            texts["alarms"] = "\n".join(evidence.alarms)
        if evidence.state:
            rows = list(evidence.state.items())[:_METRICS]
            texts["training state, latest round last"] = "\n".join(
                f"{name}: {', '.join(f'{value:.3g}' for value in values[-_ROUNDS:])}"
                for name, values in rows
            )
        if evidence.past:
            edits = [
                {
                    "version": edit.version,
                    "changes": list(edit.words),
                    "outcome": edit.outcome.replace("_", " "),
                    "reason": edit.reason,
                }
                for edit in evidence.past[-_EDITS:]
            ]
            texts["past edits, latest last"] = write_yaml({"edits": edits})
        return texts

    def _rollout(self, rollout: Shown) -> dict[str, str]:
        texts = {"task": rollout.prompt.task, "prompt": self._cut(asked(rollout.prompt))}
        if self.reference and rollout.prompt.answer is not None:
            texts["reference"] = self._cut(rollout.prompt.answer)
        texts["response"] = self._cut(rollout.response)
        texts["judge's scores"] = _scores(rollout)
        if rollout.rationale:
            texts["judge's rationales"] = self._cut(rollout.rationale)
        return texts

    def _cut(self, text: str) -> str:
        """The text without its middle, where it is too long."""
        if len(text) <= self.longest:
            return text
        half = self.longest // 2
        left_out = len(text) - 2 * half
        return f"{text[:half]}\n[... {left_out:,} characters are left out ...]\n{text[-half:]}"

    def _rules(self) -> str:
        rules = self.rules
        lines = [
            _RULES.format(
                most=MAX_CRITERIA - len(rules.fixed),
                name=MAX_NAME,
                text=MAX_TEXT,
                weight=rules.heaviest,
            )
        ]
        if rules.fixed:
            lines.append(_FIXED.format(ids=", ".join(criterion.id for criterion in rules.fixed)))
        if rules.checks:
            lines.append(_CHECKED.format(checks="\n".join(map(_check, sorted(rules.checks)))))
        return "\n".join(lines)

    def _form(self, code: str) -> str:
        kind = ', "kind": <text>, "check": <text>, "params": <text>' if self.rules.checks else ""
        return (
            f'{{"{CODE}": "{code}", "{CRITERIA}": [{{"id": <text>, "text": <text>, '
            f'"weight": <number>, "range": [<number>, <number>], "sign": <text>{kind}}}, ...]}}'
        )


def _numbered(name: str, texts: Sequence[str]) -> dict[str, str]:
    return {f"{name} {i}": text for i, text in enumerate(texts, 1)}


def _scores(rollout: Shown) -> str:
    verdict = rollout.verdict
    lines = [f"reward: {verdict.reward:.3g}"]
    lines += [f"{name}: {score:.3g}" for name, score in verdict.scores.items()]
    if verdict.violations:
        lines.append(f"violated constraints: {', '.join(verdict.violations)}")
    if rollout.trusted:
        lines.append(f"trusted score, which the judge does not know: {rollout.trusted}")
    if rollout.suspect:
        lines.append("An alarm suspects this response.")
    return "\n".join(lines)


def _check(name: str) -> str:
    parameters = ", ".join(f"{f.name}: {f.type}" for f in fields(CHECKS[name].parameters))
    return f"  - {name}: the response {CHECKS[name].summary} ({parameters or 'no parameters'})"
