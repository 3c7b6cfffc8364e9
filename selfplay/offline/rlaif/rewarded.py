"""One turn of self- and meta-rewarding on recorded responses: pairs to train actor and judge on.

`meta.judges.meta_rewarding` judges every response several times and compares the judgements of one
response of each prompt. Rows are comparisons, which `selfplay train --objective dpo` reads. Those
of `kind` `actor` are two responses, the shortest near-best against the longest near-worst
(`solver.examples.pairs.length_tiered`); those of `kind` `judge` are two judgements of one response,
behind the judge's own request, with the share that each wins. A prompt's `scores` are all of its
responses' mean scores, so that it can be seen when the judge gives nearly everything the highest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import Any

from meta.judges import judging_fingerprint
from meta.judges.meta_rewarding import Judged, JudgementPair, MetaRewarding
from meta.rubrics.rubric import read_rubric, rubric_file
from selfplay.config import Loaded, load_config
from selfplay.core.seeding import Seed
from selfplay.core.types import Group
from selfplay.data.recorded import Recorded, read_recorded, to_group
from selfplay.offline.rlaif.config import RewardedConfig
from selfplay.offline.rlaif.prompt_rows import chat_value, prompt_columns
from selfplay.offline.rlaif.writing import (
    MISSING,
    Done,
    Made,
    Rows,
    file_hash,
    json_rows,
    made,
    written,
)
from solver.examples.pairs import length_tiered
from solver.examples.table import LengthTieredOptions

ROWS = "comparisons.jsonl"
ACTOR, JUDGE = "actor", "judge"
NO_PAIR = "no response is better than another"
TOP, SATURATED = 0.95, 0.9
"""A score counts as highest from the first on, and a judge as saturated from such a share on."""
SATURATION = (
    "{share:.0%} of the responses have the highest score, so the judge hardly tells them apart any "
    "more: stop here, or take another rubric or judge"
)


def judge_judgements(
    data: str | Path,
    directory: str | Path,
    overrides: Sequence[str] = (),
    source: str | Path | None = None,
    watch: Callable[[Done], None] = lambda _: None,
) -> Made:
    """Judges recorded responses and the judgements; or goes on with that.

    Args:
        data: a file of recorded groups.
        directory: what is made goes there.
        overrides: `key=value` each, such as `rubric=FILE`.
        source: a YAML file with a `RewardedConfig`.
        watch: called after every chunk. It may raise to leave: the same call goes on from there.

    Returns:
        The file of rows, and how many there are and are missing.

    Raises:
        ConfigError, DataError, ModelError: something cannot be used.
        LedgerError: the directory holds another job, or another process is at work there.
    """
    loaded = load_config(source, [f"data={json.dumps(str(data))}", *overrides], RewardedConfig)
    with closing(judging(loaded, Path(directory))) as work:
        for done in work:
            watch(done)
    path = loaded.config.judge.model.options.path
    share = share_at_top(Path(directory))
    warning = SATURATION.format(share=share) if share >= SATURATED else ""
    return made(Path(directory), ROWS, f"--model {quote(str(path))} --objective dpo", warning)


def judging(loaded: Loaded[RewardedConfig], directory: Path) -> Generator[Done, None, None]:
    """Yields after every chunk. Raises as `judge_judgements`."""
    config = loaded.config
    records = read_recorded(Path(config.data), config.layout)
    rubric = read_rubric(rubric_file(config.rubric))
    judge = MetaRewarding(config.judge, rubric)
    fingerprint = judging_fingerprint("meta_rewarding", config.judge, rubric, judge.content)
    job = {
        "config": loaded.as_dict(),
        "data_sha256": file_hash(Path(config.data)),
        "judge": fingerprint,
    }

    def work(some: Sequence[Recorded]) -> tuple[Rows, Rows]:
        groups = [to_group(record) for record in some]
        judged = judge.judged(groups, Seed(config.seed, ("rewarded",)))
        rewarded = [
            group.judged([one.verdict for one in row], fingerprint)
            for group, row in zip(groups, judged, strict=True)
        ]
        found = [*_actor(rewarded, config.width), *_judge(groups, judge.pairs(groups, judged))]
        marked = [row | {"judge": fingerprint} for row in found]
        broken = [*_unjudged(groups, judged), *(row for row in marked if "reason" in row)]
        return [row for row in marked if "reason" not in row], broken

    yield from written(directory, ROWS, job, records, config.chunk, work)


def share_at_top(directory: Path) -> float:
    """Share of the responses' mean scores that are the highest; NaN where there are none.

    Args:
        directory: of a job.
    """
    rows = [*json_rows(directory / ROWS), *json_rows(directory / MISSING)]
    scores = [
        score
        for row in rows
        if row.get("kind") == ACTOR
        for score in row["scores"]
        if score is not None
    ]
    return sum(score >= TOP for score in scores) / len(scores) if scores else math.nan


def _actor(groups: Sequence[Group], width: float) -> Iterator[dict[str, Any]]:
    """A pair of responses for each group, or why there is none."""
    pairer = length_tiered(LengthTieredOptions(width))
    for group in groups:
        scores = [verdict.reward for verdict in group.verdicts]
        row = {**prompt_columns(group.prompt), "kind": ACTOR, "scores": scores}
        pairs = pairer([group], Seed(0)).pairs
        if not pairs:
            yield row | {"reason": f"{ACTOR}: {NO_PAIR}"}
        for pair in pairs:
            texts = [group.responses[i].text for i in (pair.chosen, pair.rejected)]
            yield row | {"chosen": texts[0], "rejected": texts[1], "margin": pair.margin}


def _judge(
    groups: Sequence[Group], pairs: Sequence[JudgementPair | str]
) -> Iterator[dict[str, Any]]:
    """A pair of judgements for each group, or why there is none."""
    for group, pair in zip(groups, pairs, strict=True):
        row: dict[str, Any] = {"prompt_id": group.prompt.id, "kind": JUDGE}
        if isinstance(pair, str):
            yield row | {"prompt": chat_value(group.prompt.messages), "reason": f"{JUDGE}: {pair}"}
            continue
        yield row | {
            "prompt": chat_value(pair.chat),
            "chosen": pair.chosen,
            "rejected": pair.rejected,
            "wins": list(pair.wins),
        }


def _unjudged(
    groups: Sequence[Group], judged: Sequence[Sequence[Judged]]
) -> Iterator[dict[str, Any]]:
    """Responses without a readable judgement."""
    for group, row in zip(groups, judged, strict=True):
        for position, one in enumerate(row):
            if one.verdict.reward is None:
                yield {
                    **prompt_columns(group.prompt),
                    "response": position,
                    "reason": f"judgement: {one.verdict.reason}",
                }
