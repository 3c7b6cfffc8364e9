"""RLAIF from end to end, tiny: distilled, direct and self-rewarding, with real models."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from selfplay.build import open_game
from selfplay.cli.main import app
from selfplay.config import load_config
from selfplay.core.errors import PausedError
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.offline.train import train
from selfplay.paths import LEDGER
from selfplay.stages.labels import TRAIN
from tests.conftest import make_tiny_model

SUBJECTS = ("ants", "bees", "cats", "dogs", "eels", "fish")
ANSWERS = ("They are hungry.", "Nobody knows", "why not", "It is what they do!")
DOCS = Path(__file__).resolve().parents[4] / "docs" / "rlaif.md"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts, recorded responses, and a model with room for a judge's prompt."""
    directory = tmp_path_factory.mktemp("rlaif")
    rows = [{"prompt": f"Why do {subject} eat?"} for subject in SUBJECTS]
    recorded = [row | {"responses": ANSWERS} for row in rows]
    for name, content in (("prompts", rows), ("responses", recorded)):
        lines = "".join(json.dumps(row) + "\n" for row in content)
        (directory / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    make_tiny_model(directory / "model", seed=12, context=2048)
    return directory


def shown(heading: str) -> str:
    """The first configuration under a heading of the documentation."""
    found = re.search(
        rf"^## {heading}$.*?^```yaml\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE
    )
    assert found
    return found[1]


def small(files: Path) -> tuple[str, ...]:
    return (
        f"prompts={files / 'prompts.jsonl'}",
        f"model.path={files / 'model'}",
        "model.device=cpu",
        "model.threads=1",
        "rounds=2",
        "creator.batch=3",
        "creator.evolved=0",
        "solver.sampling.n=3",
        "solver.sampling.max_new_tokens=6",
        "solver.learning_rate=1e-3",
        "evaluation.source.share=0",
        "save.every=2",
    )


def rewards_of(source: Path | str, directory: Path, overrides: tuple[str, ...]) -> Iterator[float]:
    """The rewards of a run that is played to its end; says that the policy learned."""
    with open_game(load_config(source, overrides), directory) as game:
        for _ in play(game):
            pass
        steps = [entry.value for entry in game.ledger.metrics("steps")]
        assert steps
        assert all(steps)
        for t in range(1, len(steps) + 1):
            for group in game.ledger.groups(t, TRAIN):
                yield from (v.reward for v in group.verdicts if v.reward is not None)


def test_distilled_labels_become_a_reward_model_that_a_run_learns_from(
    files: Path, tmp_path: Path
) -> None:
    model = str(files / "model")
    asked = ["rlaif", "label", str(files / "responses.jsonl"), "--principles", "plain"]
    asked += ["--model", model, "--out", str(tmp_path / "labels"), "judge.least_mass=0"]
    done = CliRunner().invoke(app, [*asked, "judge.model.device=cpu"])
    assert done.exit_code == 0, done.output
    comparisons = tmp_path / "labels" / "comparisons.jsonl"
    assert "36 rows of 6 prompts" in done.output
    assert f"next: selfplay train {comparisons} --model DIR --objective rm" in done.output
    labels = [json.loads(line)["probability"] for line in comparisons.read_text().splitlines()]

    overrides = [f"model={model}", "model.device=cpu", "model.threads=1", "solver.objective=rm"]
    overrides += ["solver.learning_rate=2e-3", "batch=36", "epochs=12"]
    trained = train(comparisons, tmp_path / "rm", overrides)
    first, last = trained.batches[0], trained.batches[-1]
    assert first["label"] == pytest.approx(np.mean(labels), abs=1e-6)
    least = np.mean([-p * math.log(p) - (1 - p) * math.log(1 - p) for p in labels if p < 1])
    assert least - 1e-3 <= last["loss"] < first["loss"]

    judged = (
        "solver.objective=rloo",
        "meta.judge=reward_model",
        f"meta.judge.path={trained.reward_model}",
    )
    rewards = list(rewards_of("own", tmp_path / "run", (*small(files), *judged)))
    assert len(rewards) == 18
    assert len(set(rewards)) > 8


def test_direct_ratings_reward_a_run(files: Path, tmp_path: Path) -> None:
    source = tmp_path / "direct.yaml"
    source.write_text(shown("Direct"), encoding="utf-8")
    judge = ("meta.judge.least_mass=0", "meta.judge.model.device=cpu", "rounds=1")
    path = f"meta.judge.model.path={files / 'model'}"
    overrides = (*small(files), *judge, path)
    rewards = list(rewards_of(source, tmp_path / "run", overrides))
    assert len(rewards) == 9
    assert all(-1 <= reward <= 1 for reward in rewards)
    assert len(set(rewards)) > 4


def self_rewarding(files: Path, tmp_path: Path) -> tuple[Path, tuple[str, ...]]:
    source = tmp_path / "self.yaml"
    source.write_text(shown("Self-rewarding"), encoding="utf-8")
    return source, (*small(files), "meta.judge.least_mass=0", "meta.monitors.prompts=2")


def test_a_policy_that_rates_its_own_answers_learns_from_best_against_worst(
    files: Path, tmp_path: Path
) -> None:
    source, overrides = self_rewarding(files, tmp_path)
    rewards = list(rewards_of(source, tmp_path / "run", overrides))
    assert len(rewards) == 18
    assert len(set(rewards)) > 8


def test_a_policy_that_gives_itself_the_highest_ratings_is_stopped(
    files: Path, tmp_path: Path
) -> None:
    source, overrides = self_rewarding(files, tmp_path)
    # Ratings above a tenth of the scale count as its top: the random policy gives itself those.
    overrides = (*overrides, "meta.monitors.watch.0.margin=0.9")
    with pytest.raises(PausedError, match="saturation"):
        list(rewards_of(source, tmp_path / "run", overrides))
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        (alarm,) = ledger.alarms()
        assert (alarm.round, alarm.monitor, alarm.action) == (1, "saturation", "pause")
        assert ledger.stage_done(1, "review")
