"""Comparisons of a policy's answers with a reference's: what is asked, and what the judge said.

A contest is a group of two responses, the policy's and the reference's. Equal texts are a tie that
nobody is asked about. A judge of pairs says how likely the first is the better, averaged over both
orders, and by how much it leans to the first place (`meta.judges.pairwise`); of any other judge,
which sees one response at a time and so has no order, the higher reward wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from meta.judges import Judge, judging_fingerprint
from meta.meta import first_rubric
from selfplay.config.settings import RunConfig
from selfplay.config.win_rates import JudgedConfig
from selfplay.core.errors import DataError
from selfplay.core.types import WIN, Group, Prompt, Response, Verdict
from selfplay.data.recorded import AUTO, read_recorded, to_group
from selfplay.stages.evaluation import GREEDY, SAMPLED
from selfplay.stages.win_rates.win_rates import Contest

METRIC = "heldout/judged"
"""Above the metrics, and what shows that they are none of accuracy."""
LABEL = "judged"
"""Label of the contests of a round that were asked about."""
LEAN = "lean"
_SAME = 1e-9


class WinJudge:
    """The judge of contests, with the fingerprint of its judging."""

    def __init__(self, config: RunConfig) -> None:
        """Builds the judge under the configured first rubric, whichever is in force later.

        Raises:
            ConfigError, ModelError, DataError: it cannot be had.
        """
        choice, rubrics = config.evaluation.judged.judge, first_rubric(config.meta)
        rubric = None if rubrics is None else rubrics.default
        self._judge: Judge = choice.build(rubric)
        content = getattr(self._judge, "content", "")
        self.fingerprint = judging_fingerprint(choice.name, choice.options, rubric, content)

    def judge(self, groups: Sequence[Group]) -> list[tuple[Verdict, ...]]:
        """One verdict for each response, in order."""
        return self._judge.judge(groups)


def answers_label(config: JudgedConfig) -> str:
    """Under which name the answers stand that are judged."""
    return GREEDY if config.answers == "greedy" else SAMPLED


def recorded_answers(config: JudgedConfig, heldout: Sequence[Prompt]) -> dict[str, Group]:
    """The reference's answers from its file, by id of the held-out prompt.

    Prompts are the same when they ask the same, whatever their gold answers are.

    Raises:
        DataError: the file cannot be read, or answers none of the prompts.
    """
    recorded = read_recorded(Path(config.reference), AUTO)
    by_text = {found.prompt.normalized: found for found in reversed(recorded)}
    known = {p.id: by_text[p.normalized] for p in heldout if p.normalized in by_text}
    if not known:
        raise DataError(
            f"{config.reference}: expected answers to the held-out prompts, found answers to "
            f"{len(recorded)} others; name a file with rows that have a held-out prompt and its "
            "`responses`"
        )
    return {id_: to_group(replace(found, logprobs=())) for id_, found in known.items()}


def contests(
    groups: Sequence[Group], references: Mapping[str, Group], limit: int = 0
) -> list[Group]:
    """One group of two for each answer: itself, and the reference's that it meets.

    The k-th answer meets the k-th of the reference, over again where that has fewer; prompts that
    it has not answered are left out.

    Args:
        groups: the policy's answers.
        references: the reference's, by id of the prompt.
        limit: groups to take, 0 for all.
    """
    found = []
    for group in groups[: limit or None]:
        theirs = references.get(group.prompt.id)
        if theirs is None or not theirs.responses:
            continue
        for k, answer in enumerate(group.responses):
            pair = (answer, theirs.responses[k % len(theirs.responses)])
            found.append(replace(group, responses=pair, verdicts=(), fingerprint=""))
    return found


def differing(pairs: Sequence[Group]) -> list[Group]:
    """Those that a judge has to be asked about."""
    return [pair for pair in pairs if not _equal(*pair.responses)]


def ended(
    pairs: Sequence[Group], verdicts: Sequence[Sequence[Verdict]], weighted: bool
) -> list[Contest]:
    """How the contests ended.

    Args:
        pairs: all contests.
        verdicts: those of the differing ones, in order.
        weighted: take a pairwise judge's probabilities as they are.
    """
    said: Iterator[Sequence[Verdict]] = iter(verdicts)
    found = []
    for pair in pairs:
        own, other = (response.text for response in pair.responses)
        win: float | None = 0.5
        tie = True
        if own != other:
            decided, win = outcome(next(said))
            tie = decided is not None and abs(decided - 0.5) < _SAME
            win = win if weighted else decided
        found.append(Contest(pair.prompt.id, win, tie, len(own), len(other)))
    return found


def outcome(verdicts: Sequence[Verdict]) -> tuple[float | None, float | None]:
    """A contest's win by the verdict of each order (1, 1/2, 0), and by probability.

    None twice where the judge has not said.
    """
    first, second = verdicts
    probability = first.scores.get(f"{WIN}1")
    if probability is not None:
        lean = first.scores.get(LEAN, 0.0)
        return (_step(probability + lean) + _step(probability - lean)) / 2, probability
    if first.reward is None or second.reward is None:
        return None, None
    decided = _step(0.5 + (first.reward - second.reward))
    return decided, decided


def _step(chance: float) -> float:
    """1 where the first is the better, 0 where the second is, 1/2 for neither."""
    return 0.5 if abs(chance - 0.5) < _SAME else float(chance > 0.5)


def _equal(one: Response, other: Response) -> bool:
    return one.text == other.text
