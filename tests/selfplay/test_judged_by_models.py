"""Whole games whose reward a language model gives: a server's, and the policy itself."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from meta.rubrics.rubric import Rubric
from selfplay.build import open_game
from selfplay.config import Loaded, load_config
from selfplay.config.settings import RunConfig
from selfplay.core.errors import PausedError
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.stages.labels import TRAIN
from tests.conftest import make_tiny_model
from tests.meta.judged_groups import CLEAR, SHORT, graded, response_in
from tests.model_server import Answer, Served, choice, completion, serving

RUBRIC = Rubric((CLEAR, SHORT))


def fair(body: dict[str, Any]) -> Answer:
    """Long responses are clear."""
    return completion(json.dumps(graded(body, clear=len(response_in(body)) % 6)))


def wrong(body: dict[str, Any], text: str) -> Answer:
    """One of the ways to misbehave, the same for the same text."""
    ways = (
        lambda: completion(""),
        lambda: completion("I can't help with that."),
        lambda: completion('{"score": 10}'),
        lambda: completion(text),
        lambda: completion(json.dumps(graded(body))),
        lambda: completion(choice(json.dumps(graded(body, clear=5)), finish="length")),
        lambda: Answer("slow down", 429, {"Retry-After": "0"}),
        lambda: Answer("oops", 500),
    )
    return ways[sum(text.encode()) // 3 % len(ways)]()


def moody(body: dict[str, Any]) -> Answer:
    """Misbehaves on every third text."""
    text = response_in(body)
    return wrong(body, text) if sum(text.encode()) % 3 == 0 else fair(body)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts, a rubric, and a policy with room for a judge's prompt."""
    directory = tmp_path_factory.mktemp("judged")
    rows = [{"prompt": f"Why do {thing} eat?"} for thing in ("ants", "bees", "cats", "dogs")]
    (directory / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (directory / "rubric.yaml").write_text(RUBRIC.to_yaml(), encoding="utf-8")
    make_tiny_model(directory / "model", context=2048)
    return directory


def game(files: Path, judge: str, *overrides: str) -> Loaded[RunConfig]:
    shared = (
        f"prompts={files / 'prompts.jsonl'}",
        f"model.path={files / 'model'}",
        "model.device=cpu",
        "model.threads=1",
        "rounds=2",
        "chunk=2",
        "creator.batch=4",
        "creator.evolved=0",
        "solver.sampling.n=4",
        "solver.sampling.max_new_tokens=6",
        f"meta.rubric={files / 'rubric.yaml'}",
        f"meta.judge={judge}",
        "evaluation.source.share=0",
        "save.every=1",
    )
    return load_config("own", [*shared, *overrides])


def by(served: Served) -> str:
    model = f"{{name: endpoint, model: m, base_url: '{served.url}', retries: 1, backoff: 0.01}}"
    return f"{{name: rubric_llm, model: {model}}}"


def test_a_run_judged_by_a_moody_server_ends_and_scores_nothing_by_accident(
    files: Path, tmp_path: Path
) -> None:
    with serving(moody) as served:
        loaded = game(files, by(served), "max_missing=0.9")
        with open_game(loaded, tmp_path) as opened:
            for _ in play(opened):
                pass
            groups = [g for t in (1, 2) for g in opened.ledger.groups(t, TRAIN)]
    pairs = [(r, v) for g in groups for r, v in zip(g.responses, g.verdicts, strict=True)]
    assert len(pairs) == 32
    assert {sum(r.text.encode()) % 3 == 0 for r, _ in pairs} == {True, False}
    for response, verdict in pairs:
        assert (verdict.reward is None) == (sum(response.text.encode()) % 3 == 0)
        assert bool(verdict.reason) == (verdict.reward is None)
        if verdict.reward is not None:
            assert verdict.scores["clear"] == min(len(response.text) % 6, 5)


def test_a_run_whose_judge_is_down_pauses_and_goes_on_to_what_it_would_have_been(
    files: Path, tmp_path: Path
) -> None:
    down = [False]

    def behave(body: dict[str, Any]) -> Answer:
        return Answer("down", 503) if down[0] else fair(body)

    with serving(behave) as served:
        loaded = game(files, by(served))
        with open_game(loaded, tmp_path / "whole") as opened:
            for _ in play(opened):
                pass
            digest = opened.ledger.digest()
        with open_game(loaded, tmp_path / "down") as opened:
            for _ in islice(play(opened), 4):
                pass
        down[0] = True
        with (
            open_game(loaded, tmp_path / "down") as opened,
            pytest.raises(PausedError, match=r"100% of .* no usable reply \(status 503: down\)"),
        ):
            for _ in play(opened):
                pass
        down[0] = False
        with open_game(loaded, tmp_path / "down") as opened:
            for _ in play(opened):
                pass
            assert opened.ledger.digest() == digest


def test_replies_that_are_never_on_the_form_pause_the_run_with_the_reason(
    files: Path, tmp_path: Path
) -> None:
    with serving(lambda body: completion('{"score": 10}')) as served:
        loaded = game(files, by(served))
        with (
            open_game(loaded, tmp_path) as opened,
            pytest.raises(PausedError, match="does not repeat its request's code"),
        ):
            for _ in play(opened):
                pass


def test_a_policy_that_compares_its_own_responses_leaves_the_comparisons_in_the_ledger(
    files: Path, tmp_path: Path
) -> None:
    judge = "{name: pairwise, least_mass: 0}"
    with open_game(game(files, judge), tmp_path) as opened:
        for _ in play(opened):
            pass
        fingerprint = opened.meta.fingerprint
    with Ledger.open(tmp_path / LEDGER, read_only=True) as ledger:
        compared = ledger.comparisons(2, TRAIN)
    assert [len(row) for row in compared] == [6] * 4
    assert {one.judge for row in compared for one in row} == {fingerprint}
