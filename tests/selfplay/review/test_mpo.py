"""The whole MPO loop in real runs: a server judges by the rubric in force and reviews it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selfplay.build import open_game
from selfplay.cli.main import app
from selfplay.core.errors import PausedError
from selfplay.events import Progress
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.review.rubrics import rubric_history
from selfplay.review.stage import PROPOSE
from selfplay.stages.labels import RESCORED, REVIEW, TRAIN
from tests.meta.reviewed import quoted, step_of, text_of
from tests.model_server import Answer, Served, serving
from tests.selfplay.mpo_runs import (
    BACKWARDS,
    WORSE,
    Mind,
    Played,
    asked_criteria,
    counted,
    loop,
    overrides,
    play_out,
    write_rubric,
)

TOKENS = 18
"""That the server bills for an answer."""


@dataclass
class Table:
    """A server with its mind, the first rubric, and a run that was played with them."""

    mind: Mind
    served: Served
    rubric: Path
    directory: Path
    played: Played


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    directory, mind = tmp_path_factory.mktemp("mpo"), Mind()
    rubric = write_rubric(directory)
    with serving(mind) as served:
        played = play_out(loop(served, rubric), directory / "run", served)
        yield Table(mind, served, rubric, directory / "run", played)


@pytest.fixture
def table(whole: Table) -> Table:
    """The server as sensible as it was."""
    whole.mind.recover()
    return whole


@pytest.fixture
def ledger(whole: Table) -> Iterator[Ledger]:
    with Ledger.open(whole.directory / LEDGER, read_only=True) as ledger:
        ledger.decode = lambda ids: [""] * len(ids)
        yield ledger


def test_every_round_is_judged_by_the_rubric_that_is_in_force(table: Table) -> None:
    asked = {t: table.played.asked(t, "judge", "judge") for t in (1, 2, 3)}
    assert all(map(bool, asked.values()))
    shown = {t: {tuple(asked_criteria(body)) for body in asked[t]} for t in asked}
    assert shown == {1: {("neat",)}, 2: {("neat",)}, 3: {("neat", "backwards")}}
    assert all(str(BACKWARDS["text"]) in text_of(body) for body in asked[3])


def test_the_review_is_kept_with_its_reasons_figures_and_tokens(
    table: Table, ledger: Ledger
) -> None:
    requests = table.played.asked(2, "review", "reviewer")
    steps = [step_of(body) for body in requests]
    assert [steps.count(s) for s in ("analysis", "refinement", "merging")] == [4, 4, 1]
    (review,) = ledger.reviews()
    assert (review.round, review.outcome, review.version) == (2, "accepted", 2)
    assert review.tokens == TOKENS * len(requests)
    assert "adds the reward 'backwards', weight 9" in review.reason
    assert "better on the core" in review.reason
    assert review.decision is not None
    assert review.decision["core"]["candidate"] > review.decision["core"]["current"]
    assert {rank["rank"] for rank in review.decision["exploits"]} == {0.0}
    history = rubric_history(table.directory)
    assert [(e.version, e.status) for e in history.entries] == [
        (1, "accepted"),
        (2, "proposed"),
        (2, "accepted"),
    ]
    assert {c.kind for c in history.rubric().default.criteria} == {"judge"}


def test_the_reviewer_sees_rationales_and_training_and_nothing_held_out(table: Table) -> None:
    requests = table.played.asked(2, "review", "reviewer")
    analyses = [body for body in requests if step_of(body) == "analysis"]
    for body in analyses:
        assert "because neat" in quoted(body, "judge's rationales")
        assert "judge/reward" in quoted(body, "training state, latest round last")
    assert not [b for b in requests if "heldout" in text_of(b) or "accuracy" in text_of(b)]
    assert any(m.name.startswith("heldout/") for m in _metrics(table)), "there is something to hide"


def test_what_the_judge_wrote_is_kept_with_its_verdict_and_printed(
    table: Table, ledger: Ledger
) -> None:
    groups = ledger.with_replies(1, TRAIN)
    verdict = groups[0].verdicts[0]
    assert json.loads(verdict.replies[0])["criteria"]["neat"]["score"] == verdict.scores["neat"]
    assert ledger.groups(1, TRAIN)[0].verdicts[0].replies == ()
    arguments = ["prompts", "show", str(table.directory), groups[0].prompt.id, "--replies"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "because neat" in " ".join(done.stdout.split())


def test_replies_are_kept_up_to_their_limit_or_not_at_all(table: Table, tmp_path: Path) -> None:
    for name, option, length in (
        ("short", "meta.reply_limit=7", 7),
        ("none", "meta.keep_replies=false", 0),
    ):
        loaded = loop(table.served, table.rubric, option, "rounds=1", "meta.review.every=0")
        play_out(loaded, tmp_path / name, table.served)
        with Ledger.open(tmp_path / name / LEDGER, read_only=True) as kept:
            kept.decode = lambda ids: [""] * len(ids)
            replies = {
                r for g in kept.with_replies(1, TRAIN) for v in g.verdicts for r in v.replies
            }
        assert {len(reply) for reply in replies} == ({length} if length else set())


def test_always_adopting_needs_no_anchors(table: Table, tmp_path: Path) -> None:
    plain = ("meta.review.adopt=always", "meta.review.anchors=none", "meta.monitors.audit=0")
    loaded = loop(table.served, table.rubric, *plain, "meta.monitors.watch=[characters]")
    play_out(loaded, tmp_path / "run", table.served)
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        (review,) = ledger.reviews()
    assert (review.outcome, review.version) == ("accepted", 2)


def _metrics(table: Table) -> list[Any]:
    with Ledger.open(table.directory / LEDGER, read_only=True) as ledger:
        return ledger.metrics()


def test_what_the_gate_asked_and_what_was_scored_anew_stands_in_the_ledger(
    table: Table, ledger: Ledger
) -> None:
    judged = table.played.asked(2, "review", "judge")
    kept = [ledger.groups(2, f"{REVIEW}:{k}") for k in range(3)]
    assert [{g.fingerprint for g in groups} for groups in kept[:2]] != [{""}, {""}]
    anchors = [[(g.prompt.id, [r.text for r in g.responses]) for g in groups] for groups in kept]
    assert anchors[0] == anchors[1], "candidate and rubric in force are asked about the same"
    verdicts = [v for groups in kept for group in groups for v in group.verdicts]
    assert all(v.reward is not None for v in verdicts)
    rescored = ledger.groups(2, RESCORED)
    assert {g.fingerprint for g in rescored} == {g.fingerprint for g in ledger.groups(3, TRAIN)}
    # Equal responses to one prompt are asked about once in a call.
    most = len(verdicts) + sum(len(g.responses) for g in rescored) + 4
    assert len(judged) <= most
    entries = [u for u in ledger.usages() if u.round == 2]
    assert sum(u.requests - u.retries for u in entries if u.stage.startswith(REVIEW)) >= 3
    answered = sum(u.tokens_in + u.tokens_out for u in ledger.usages())
    assert answered == TOKENS * sum(map(len, table.played.stages.values()))


def test_a_bad_candidate_is_refused_and_later_reviews_are_told(
    table: Table, tmp_path: Path
) -> None:
    table.mind.wants = WORSE
    played = play_out(loop(table.served, table.rubric, "rounds=5"), tmp_path / "run", table.served)
    history = rubric_history(tmp_path / "run")
    assert history.in_force is not None
    assert history.in_force.version == 1
    assert {history.standing(version) for version in (2, 3)} == {"rejected"}
    assert "not shown to be better" in history.entry(2).reason
    assert {tuple(asked_criteria(b)) for b in played.asked(5, "judge", "judge")} == {("neat",)}
    (merging,) = [b for b in played.asked(4, "review", "reviewer") if step_of(b) == "merging"]
    past = quoted(merging, "past edits, latest last")
    assert "adds the reward ''long'', weight 9" in past
    assert "outcome: rejected" in past


def test_a_judge_that_is_down_while_the_gate_asks_pauses_the_run_and_decides_nothing(
    table: Table, tmp_path: Path
) -> None:
    def down(body: dict[str, Any]) -> Answer | None:
        testing = body["model"] == "judge" and "backwards" in asked_criteria(body)
        return Answer("down", 503) if testing else None

    table.mind.before = down
    with (
        open_game(loop(table.served, table.rubric), tmp_path / "run") as game,
        pytest.raises(
            PausedError,
            match=r"100% of the verdicts of round 2's 'review:0' .* max_missing=50%; most often: "
            r"no usable reply \(status 503: down\)\. Everything else is kept: mend the judge",
        ),
    ):
        for _ in play(game):
            pass
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert ledger.stages()[-1] == (2, PROPOSE)
        assert ledger.group_count(2, f"{REVIEW}:0") > ledger.judged_count(2, f"{REVIEW}:0") == 0
    table.mind.recover()
    start = len(table.served.requests)
    again = play_out(loop(table.served, table.rubric), tmp_path / "run", table.served)
    assert again.digest == table.played.digest
    assert "reviewer" not in {body["model"] for body in table.served.requests[start:]}


class StoppedError(Exception):
    """Whoever listens leaves."""


def test_a_run_that_is_stopped_at_every_chunk_of_the_gate_asks_nothing_twice(
    table: Table, tmp_path: Path
) -> None:
    start, stops, ended = len(table.served.requests), set[tuple[str, int]](), False
    while not ended:
        with open_game(loop(table.served, table.rubric), tmp_path / "run") as game:

            def leave(progress: Progress) -> None:
                place = (progress.stage, progress.done)
                if progress.stage.startswith(f"{REVIEW}:") and place not in stops:
                    stops.add(place)
                    raise StoppedError

            game.listener = leave
            try:
                for _ in play(game):
                    pass
                ended = True
            except StoppedError:
                assert not game.ledger.stage_done(2, "review")
            digest = game.ledger.digest()
    assert len(stops) >= 5
    assert digest == table.played.digest
    whole = [body for requests in table.played.stages.values() for body in requests]
    assert counted(table.served.requests[start:]) == counted(whole)


DRIVER = """
import sys
from pathlib import Path
from selfplay.build import open_game
from selfplay.core.errors import PausedError
from selfplay.config import load_config
from selfplay.loop import play

out, *overrides = sys.argv[1:]
with open_game(load_config("loophole", overrides), Path(out)) as game:
    for _ in play(game):
        pass
"""


def test_a_run_killed_while_the_gate_judges_loses_the_chunk_in_flight_and_no_more(
    table: Table, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "run")]
    start, asked = len(table.served.requests), [0]

    def kill(body: dict[str, Any]) -> Answer | None:
        asked[0] += body["model"] == "judge" and "backwards" in asked_criteria(body)
        if asked[0] == 40:
            os.kill(process.pid, signal.SIGKILL)
        return None

    table.mind.before = kill
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    arguments = [*command, *overrides(table.served, table.rubric)]
    with subprocess.Popen(arguments, env=environment) as process:
        assert process.wait() == -signal.SIGKILL
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert ledger.stage_done(2, PROPOSE)
        assert 0 < ledger.judged_count(2, f"{REVIEW}:0") < ledger.group_count(2, f"{REVIEW}:0")
    table.mind.recover()
    again = play_out(loop(table.served, table.rubric), tmp_path / "run", table.served)
    assert again.digest == table.played.digest
    whole = counted(body for requests in table.played.stages.values() for body in requests)
    asked_for = counted(table.served.requests[start:])
    assert not whole - asked_for, "everything was asked"
    chunk, samples = 8, 6
    assert 0 < (asked_for - whole).total() <= chunk * samples
    assert {json.loads(body)["model"] for body in asked_for - whole} == {"judge"}
