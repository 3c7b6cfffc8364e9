"""Pages of the documentation that are played: parts of one's own take part in runs, Python runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selfplay.cli.watch import PlainWatcher
from selfplay.config import load_config
from selfplay.job import play_out
from selfplay.ledger import Ledger
from selfplay.offline.train import train
from selfplay.paths import LEDGER
from selfplay.stages.labels import TRAIN
from tests.doc_blocks import blocks, commands, write_files
from tests.selfplay.small_runs import play_out as play_small

PLAYED = (
    "rounds=2",
    "chunk=4",
    "model.threads=1",
    "model.device=cpu",
    "model.dtype=float32",
    "creator.batch=4",
    "creator.parents=0.5",
    "solver.sampling.n=2",
    "solver.sampling.max_new_tokens=6",
    "evaluation.source.share=0.1",
    "evaluation.samples=1",
    "evaluation.temperatures=[]",
)
"""What makes a run of own prompts one of a second."""


def seen(directory: Path) -> str:
    """What a run shows of itself, in the words that `OWN_PARTS` looks for."""
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        ledger.decode = lambda ids: [""] * len(ids)
        groups = [group for t in (1, 2) for group in ledger.groups(t, TRAIN)]
        found = [f"operator {group.prompt.lineage.operator}" for group in groups]
        found += [f"score {name}" for g in groups for v in g.verdicts for name in v.scores]
        found += [f"asked {g.prompt.text[:7]}, task {g.prompt.task}" for g in groups]
        found += [f"metric {estimate.metric}" for estimate in ledger.estimates()]
        found += [f"ended by {ending.cause}" for ending in ledger.endings()]
    found += [f"file {path.name}" for path in (directory / "tracking").glob("*")]
    return "; ".join(dict.fromkeys(found))


OWN_PARTS = {
    "writers:Formal": "asked Please:",
    "prompts=sums:sums": "task sums",
    "meta.judge=judges:Brief": "score words",
    "judge: {name: 'judges:Brief'": "score constraint/judges:Brief",
    "operators:InWords": "operator operators:InWords",
    "informative:Entropy": "metric informative:Entropy",
    "stops:LongPrompts": "ended by stops:LongPrompts",
    "trackers:Lines": "file metrics.jsonl",
}
"""What a run shows where a part of the page takes part in it."""


def beside_it(place: Path, model: Path) -> None:
    """What the pages name: `my.jsonl`, `recorded.jsonl`, the model `DIR`."""
    (place / "DIR").symlink_to(model)
    prompts = [
        {"prompt": f"What is {i} + 2?", "answer": str(i + 2), "topic": "sums"} for i in range(20)
    ]
    (place / "my.jsonl").write_text("\n".join(map(json.dumps, prompts)), encoding="utf-8")
    groups = [
        {"prompt": f"What is {i} + 2?", "responses": [str(i + 2), "no"], "rewards": [1, 0]}
        for i in range(4)
    ]
    (place / "recorded.jsonl").write_text("\n".join(map(json.dumps, groups)), encoding="utf-8")


OWN_COMMANDS = [
    words[1:]
    for block in blocks("sh")
    if block.page == "own"
    for words in commands(block.text)
    if words[:2] in (["selfplay", "run"], ["selfplay", "train"])
]


@pytest.mark.parametrize("words", OWN_COMMANDS, ids=[words[-1][:40] for words in OWN_COMMANDS])
def test_a_part_of_ones_own_plays_along(
    words: list[str], beside: Path, tiny_model_dir: Path
) -> None:
    write_files("own", beside)
    beside_it(beside, tiny_model_dir)
    if words[0] == "train":
        objective = words[words.index("--objective") + 1]
        train("recorded.jsonl", "learned", ["model=DIR", f"solver.objective={objective}"])
        return
    config = load_config(words[1], [*words[2:], *PLAYED])
    assert not play_out(config, beside / "run", lambda: PlainWatcher(2), lambda note: None)
    shown, line = seen(beside / "run"), " ".join(words)
    assert [part for part, what in OWN_PARTS.items() if part in line and what not in shown] == []


def test_the_python_of_the_quickstart_runs(beside: Path) -> None:
    play_small(beside / "runs" / "tiny")
    names: dict[str, object] = {}
    for block in blocks("python"):
        if block.page == "quickstart":
            exec(compile(block.text, block.name, "exec"), names)
    assert (beside / "best.jsonl").exists()
    assert (beside / "runs" / "own_loop").is_dir()


def test_every_part_of_the_page_takes_part() -> None:
    lines = [" ".join(words) for words in OWN_COMMANDS]
    assert [part for part in OWN_PARTS if not any(part in line for line in lines)] == []
