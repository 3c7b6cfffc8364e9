"""Rubrics by cluster of prompts in real runs, with the packaged embedding model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from meta.rubrics.set import RubricSet
from selfplay.analysis.replay import moment
from selfplay.build import open_game
from selfplay.cli.main import app
from selfplay.config import Loaded, load_config
from selfplay.config.settings import RunConfig
from selfplay.game import Game
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.review.rubrics import rubric_history, words_of
from selfplay.stages.labels import REVIEW, TRAIN
from tests.meta.judged_groups import code_in
from tests.meta.reviewed import quoted, step_of
from tests.model_server import Answer, serving
from tests.selfplay.mpo_runs import (
    BACKWARDS,
    KEPT,
    SMALL,
    Mind,
    Played,
    asked_criteria,
    loop,
    play_out,
    sensible,
    write_rubric,
)

CLUSTERS = "meta.review.clusters=2"
NAMES = ("spell_backward-1", "spell_backward-2")


def played_with_a_stop(loaded: Loaded[RunConfig], directory: Path, events: int) -> RubricSet:
    """Plays some events, closes the run and plays on; the rubric of the first process."""
    with open_game(loaded, directory) as game:
        for _ in islice(play(game), events):
            pass
        first = game.meta.rubric
    with open_game(loaded, directory) as game:
        for _ in play(game):
            pass
    assert first is not None
    return first


def own(rubric: RubricSet) -> dict[str, set[str]]:
    """The ids of each cluster's criteria."""
    return {name: {c.id for c in rubric.rubric_of(name).criteria} for name in NAMES}


def assert_judged_by_their_clusters(directory: Path, loaded: Loaded[RunConfig]) -> None:
    """The last round's verdicts are by the rubrics of the prompts' clusters, of which both came."""
    with open_game(loaded, directory) as game:
        groups = game.ledger.groups(3, TRAIN)
        names = game.meta.clusters_of([group.prompt for group in groups])
        assert game.meta.rubric is not None
        ids = own(game.meta.rubric)
    assert set(names) == set(NAMES)
    for group, name in zip(groups, names, strict=True):
        assert name is not None
        assert all(set(verdict.scores) == ids[name] for verdict in group.verdicts)


def assert_only_changed_clusters_are_stale(game: Game, changed: set[str]) -> None:
    """What was judged before the review counts still where the criteria are what they were."""
    groups = game.ledger.groups(1, TRAIN)
    names = game.meta.clusters_of([group.prompt for group in groups])
    fresh = {n for g, n in zip(groups, names, strict=True) if g.fingerprint in game.meta.judgings}
    assert fresh == set(names) - changed
    assert fresh, "a cluster kept its criteria"


def command(*arguments: str) -> str:
    found = CliRunner().invoke(app, ["rubric", *arguments])
    assert found.exit_code == 0, found.output
    return found.output


STATISTICAL = (
    *SMALL,
    CLUSTERS,
    "prompts.count=160",
    "creator.batch=24",
    "meta.review.anchors={name: sampled, prompts: 160, samples: 6}",
)


def statistical(*more: str) -> Loaded[RunConfig]:
    return load_config("loophole", [*STATISTICAL, *more])


def test_code_reviews_each_clusters_rubric_and_clusters_outlive_the_process(
    tmp_path: Path,
) -> None:
    loaded = statistical()
    with open_game(loaded, tmp_path / "whole") as game:
        for _ in play(game):
            pass
        digest = game.ledger.digest()
    first = played_with_a_stop(loaded, tmp_path / "run", 20)
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert ledger.digest() == digest
        (review,) = ledger.reviews()
        assert f"{REVIEW}:0" not in ledger.labels(2), "what code judges is not worth recording"
    assert review.outcome == "accepted"
    assert all(f"{name}: " in review.reason for name in NAMES)
    history = rubric_history(tmp_path / "run")
    before, after = history.rubric(1), history.rubric(2)
    assert first.clusters == before.clusters == after.clusters
    assert before.clusters is not None
    assert before.clusters.names == NAMES
    assert before.by_cluster == {}
    assert after.by_cluster, "a cluster with anchors enough has criteria of its own"
    assert after.default.criteria == before.default.criteria
    assert_judged_by_their_clusters(tmp_path / "run", loaded)
    with open_game(loaded, tmp_path / "run") as game:
        assert game.ledger.judgings(3) == game.meta.judgings == moment(game.ledger, 3).alike
        assert game.ledger.judgings(1) != game.ledger.judgings(3)
        assert_only_changed_clusters_are_stale(game, set(after.by_cluster))
    changed = command("diff", str(tmp_path / "run"), "1", "2")
    assert changed.split() == "\n".join(words_of(history.differences(1, 2))).split()
    assert all(line.startswith("spell_backward-") for line in changed.splitlines() if line)
    shown = command("show", str(tmp_path / "run"))
    assert "by_cluster:\n  spell_backward-" in shown
    assert "model: packaged" in shown


TURNED = {**BACKWARDS, "id": "turned", "text": "Are its letters those of the word, turned round?"}


class TwoMinds(Mind):
    """Wants another criterion for each cluster: requests of one review share their code."""

    def __call__(self, body: dict[str, Any]) -> Answer:
        if body["model"] != "reviewer" or step_of(body) == "analysis":
            return sensible(body, ())
        codes = self.__dict__.setdefault("codes", {})
        place = codes.setdefault((step_of(body), code_in(body)), len(codes))
        return sensible(body, [KEPT, BACKWARDS if place < 2 else TURNED])


def reviews_of(played: Played) -> list[dict[str, Any]]:
    return [b for b in played.asked(2, "review", "reviewer") if step_of(b) == "analysis"]


def shown_criteria(requests: Sequence[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {tuple(asked_criteria(body)) for body in requests}


def test_a_model_reviews_each_clusters_rubric_by_its_own_rollouts_and_rationales(
    tmp_path: Path,
) -> None:
    with serving(TwoMinds()) as served:
        loaded = loop(served, write_rubric(tmp_path), CLUSTERS)
        played = play_out(loaded, tmp_path / "run", served)
    history = rubric_history(tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        (review,) = ledger.reviews()
        assert f"{REVIEW}:2" in ledger.labels(2)
    assert review.outcome == "accepted"
    assert review.tokens == 18 * len(played.asked(2, "review", "reviewer"))
    assert sorted(map(sorted, own(history.rubric(2)).values())) == [
        ["backwards", "neat"],
        ["neat", "turned"],
    ]
    analyses = reviews_of(played)
    assert len(analyses) == 8
    assert all("because neat" in quoted(body, "judge's rationales") for body in analyses)
    third = played.asked(3, "judge", "judge")
    assert shown_criteria(third) == {("neat", "backwards"), ("neat", "turned")}
