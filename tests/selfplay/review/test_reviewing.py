"""Claims about the review stage, on real runs: the policy games a rubric of looks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from meta.anchors.anchors import Anchor, AnchorSet, part_of
from meta.anchors.file import write_anchors
from meta.judges.verifier import Verifier
from selfplay.build import open_game
from selfplay.config import Loaded, load_config
from selfplay.config.settings import RunConfig
from selfplay.core.errors import ConfigError, PausedError
from selfplay.core.types import Prompt, user
from selfplay.events import Progress
from selfplay.ledger import Ledger, ReviewEntry
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.review.anchoring import read_anchors
from selfplay.review.rubrics import freeze, rollback, rubric_history
from selfplay.review.stage import SUSPECTS
from selfplay.stages.labels import ANCHORS, AUDIT, FRESH, RESCORED, last_judged

SMALL = (
    "rounds=3",
    "chunk=16",
    "model.threads=1",
    "prompts.count=64",
    "creator.batch=12",
    "solver.sampling.n=4",
    "solver.sampling.max_new_tokens=12",
    "evaluation.every=3",
    "evaluation.samples=1",
    "evaluation.source.count=4",
    "save.every=1",
    "meta.monitors.audit=4",
    "meta.monitors.watch=[gap,characters]",
    "meta.review.anchors={name: sampled, prompts: 64, samples: 6}",
    "meta.review.fresh=24",
    "meta.review.every=2",
    "meta.review.on_alarm=false",
    "meta.review.plateau=0",
    "meta.review.rest=1",
    "meta.review.gate.least_prompts=4",
    "meta.review.gate.least_changed=3",
)


def loop(*overrides: str) -> Loaded[RunConfig]:
    return load_config("loophole", [*SMALL, *overrides])


def play_out(directory: Path, *overrides: str) -> str:
    with open_game(loop(*overrides), directory) as game:
        for _ in play(game):
            pass
        return game.ledger.digest()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run and its digest."""
    directory = tmp_path_factory.mktemp("reviewed") / "run"
    return directory, play_out(directory)


@pytest.fixture
def ledger(played: tuple[Path, str]) -> Iterator[Ledger]:
    with Ledger.open(played[0] / LEDGER, read_only=True) as ledger:
        with open_game(loop(), played[0]) as game:
            ledger.decode = game.ledger.decode
        yield ledger


def test_a_better_rubric_is_proposed_accepted_and_in_force(
    played: tuple[Path, str], ledger: Ledger
) -> None:
    (review,) = ledger.reviews()
    assert (review.round, review.outcome, review.version) == (2, "accepted", 2)
    assert review.cause == "calendar: every 2 rounds"
    assert review.decision is not None
    assert review.decision["core"]["candidate"] > review.decision["core"]["current"]
    history = rubric_history(played[0])
    assert history.in_force is not None
    assert history.in_force.version == 2
    assert [e.status for e in history.entries] == ["accepted", "proposed", "accepted"]
    assert not any(c.check == "exact_answer" for c in history.rubric().default.criteria)


def test_the_first_anchors_are_the_first_policy_s_answers_and_suspects_what_it_does_now(
    ledger: Ledger,
) -> None:
    anchors = read_anchors(ledger).anchors
    assert {(a.origin, a.scorer) for a in anchors} == {
        ("core", "verifier"),
        ("suspect", "verifier"),
    }
    core = {a.prompt.id for a in anchors if a.origin == "core"}
    assert {part_of(id_) for id_ in core} == {"propose", "gate", "report"}
    assert all(a.alarm.startswith("calendar") for a in anchors if a.origin == "suspect")
    assert {g.prompt.id for g in ledger.groups(2, FRESH)} <= core
    assert ledger.stage_metrics(2, SUSPECTS)["anchors"] == sum(
        a.origin == "suspect" for a in anchors
    )


def test_what_the_creator_compares_is_scored_under_the_adopted_rubric(ledger: Ledger) -> None:
    assert {g.fingerprint for g in last_judged(ledger, 2)} != {
        g.fingerprint for g in last_judged(ledger, 1)
    }
    before, after = ledger.groups(2, "train"), ledger.groups(2, RESCORED)
    assert [g.prompt.id for g in before] == [g.prompt.id for g in after]
    assert {g.fingerprint for g in after} == {g.fingerprint for g in ledger.groups(3, "train")}
    assert {g.fingerprint for g in after} != {g.fingerprint for g in before}


def test_a_run_that_stops_after_any_event_comes_to_the_same_end(
    tmp_path: Path, played: tuple[Path, str]
) -> None:
    for _ in range(100):
        with open_game(loop(), tmp_path / "run") as game:
            rounds = play(game)
            # What is only begun has committed nothing: on to the next event, where it has.
            found = next((e for e in rounds if not isinstance(e, Progress) or e.done), None)
        if found is None:
            break
    assert digest(tmp_path / "run") == played[1]


def digest(directory: Path) -> str:
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        return ledger.digest()


def test_a_frozen_rubric_is_not_reviewed_and_a_rolled_back_one_judges_again(
    tmp_path: Path, played: tuple[Path, str]
) -> None:
    directory = Path(shutil.copytree(played[0], tmp_path / "run"))
    rollback(directory, reason="to see it judge")
    freeze(directory)
    with open_game(loop("rounds=5"), directory) as game:
        assert game.meta.rubric is not None
        assert game.meta.rubric.version == 1
        for _ in play(game):
            pass
        later = game.ledger.reviews()[1:]
        assert [(r.round, r.outcome) for r in later] == [(4, "none")]
        assert "frozen" in later[0].reason
        fingerprints = {g.fingerprint for t in (1, 4, 5) for g in game.ledger.groups(t, "train")}
        assert len(fingerprints) == 1


def test_without_a_gate_every_candidate_is_adopted(tmp_path: Path) -> None:
    play_out(tmp_path / "run", "meta.review.adopt=always")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        (review,) = ledger.reviews()
    assert review.outcome == "accepted"
    assert "without a test" in review.reason


def test_a_trusted_judge_that_can_score_no_prompt_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Verifier, "covers", lambda self, prompt: False)
    with (
        open_game(loop(), tmp_path / "run") as game,
        pytest.raises(ConfigError, match="'verifier' can score answers to none of the prompts"),
    ):
        for _ in play(game):
            pass
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert ledger.labels(0) == []


def test_only_prompts_that_the_trusted_judge_can_score_are_asked_for_anchors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def even(self: Verifier, prompt: Prompt) -> bool:
        return int(prompt.id, 16) % 2 == 0

    monkeypatch.setattr(Verifier, "covers", even)
    with open_game(loop("meta.monitors.audit=4"), tmp_path / "run") as game:
        for event in play(game):
            if (event.round, event.stage) == (2, "record"):
                break
        for t, label in ((0, ANCHORS), (1, AUDIT), (2, FRESH)):
            groups = game.ledger.groups(t, label)
            assert groups, label
            assert all(even(game.meta.verifier, group.prompt) for group in groups)


def test_an_alarm_that_asks_for_it_pauses_the_run_once(tmp_path: Path) -> None:
    watch = "meta.monitors.watch=[{name: saturation, action: pause, limit: 0.05, margin: 0.9}]"
    alarming = (watch, "meta.review.enabled=false", "meta.monitors.prompts=2")
    with open_game(loop(*alarming), tmp_path / "run") as game:
        with pytest.raises(PausedError, match="saturation"):
            for _ in play(game):
                pass
        assert game.ledger.stages()[-1] == (1, "review")
    with open_game(loop(*alarming), tmp_path / "run") as game:
        for _ in play(game):
            pass
        assert game.ledger.last_round() == 3


def test_a_spent_token_budget_ends_reviews_not_the_run(tmp_path: Path) -> None:
    with open_game(loop("meta.review.token_budget=1"), tmp_path / "run") as game:
        rounds = play(game)
        next(rounds)
        game.ledger.add_review(ReviewEntry(0, "by hand", "none", None, "", 5, None))
        for _ in rounds:
            pass
        assert game.ledger.reviews()[-1].outcome == "none"
        assert "token_budget=1" in game.ledger.reviews()[-1].reason


def test_anchors_of_a_file_are_used_and_a_prompt_that_does_not_fit_is_not_asked(
    tmp_path: Path, played: tuple[Path, str]
) -> None:
    with Ledger.open(played[0] / LEDGER, read_only=True) as ledger:
        core = [a for a in read_anchors(ledger).anchors if a.origin == "core"]
    long = Prompt(user("Spell it backward: " + "a" * 900), answer="b")
    extra = [Anchor(long, text, score, "verifier") for text, score in (("b", 1.0), ("a", 0.0))]
    path = tmp_path / "anchors.jsonl"
    write_anchors(path, AnchorSet().append([*core, *extra]))
    file = f"meta.review.anchors={{name: file, path: {path}}}"
    play_out(tmp_path / "run", file, "meta.review.fresh=1000", "rounds=3")
    with open_game(loop(file, "meta.review.fresh=1000"), tmp_path / "run") as game:
        assert game.ledger.stage_metrics(0, "anchor")["anchors"] == len(core) + 2
        asked = {group.prompt.id for group in game.ledger.groups(2, FRESH)}
        assert asked == {anchor.prompt.id for anchor in core}
        assert long.id in {anchor.prompt.id for anchor in read_anchors(game.ledger).anchors}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("meta.rubric=''", "meta.rubric: expected a rubric where reviews are enabled"),
        ("meta.judge=verifier", "meta.judge: expected a judge that reads the rubric"),
        ("meta.review.adopt=gat", "meta.review.adopt: expected gate or always"),
        ("meta.review.reviewer=statistic", "statistical"),
        ("meta.review.anchors=file", "meta.review.anchors.path"),
    ],
)
def test_what_cannot_be_reviewed_is_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message), open_game(loop(override), tmp_path / "run"):
        pass
