"""Dynamic sampling: prompts whose groups teach nothing are replaced, and that survives a crash."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from selfplay.build import open_game
from selfplay.core.types import GENERATED
from selfplay.game import lesson
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.stages.labels import BASELINE, TRAIN
from selfplay.stages.statistics import is_mixed
from tests.selfplay.small_runs import digest, play_out, small

REFILLED = (
    "rounds=2",
    "save.every=1",
    "evaluation.every=9",
    "solver.refill=3",
    "solver.baseline=initial",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("refill") / "whole"
    play_out(directory, *REFILLED)
    return directory


def drawn(ledger: Ledger, t: int) -> int:
    return sum(int(entry.value) for entry in ledger.metrics("refilled") if entry.round == t)


def first_mixed(ledger: Ledger, t: int) -> int:
    """How many of the round's first eight groups teach anything."""
    ledger.decode = lambda tokens: [""] * len(tokens)
    return sum(map(is_mixed, ledger.groups(t, TRAIN)[:8]))


def test_refilled_rounds_learn_from_more_groups(finished: Path, tmp_path: Path) -> None:
    play_out(tmp_path / "plain", "rounds=1", "evaluation.every=9")
    with (
        Ledger.open(finished / LEDGER, read_only=True) as refilled,
        Ledger.open(tmp_path / "plain" / LEDGER, read_only=True) as plain,
    ):
        assert plain.stage_metrics(1, "learn")["groups_used"] == first_mixed(refilled, 1)
        used = [refilled.stage_metrics(t, "learn")["groups_used"] for t in (1, 2)]
        assert sum(first_mixed(refilled, t) for t in (1, 2)) < sum(used) <= 2 * 8
        assert refilled.stage_metrics(1, "judge") == plain.stage_metrics(1, "judge")
        assert not any(stage.startswith("refill") for _, stage in plain.stages())


def test_every_draw_is_for_the_places_that_lack(finished: Path) -> None:
    with open_game(small(*REFILLED), finished) as game:
        for t in (1, 2):
            groups, places = game.ledger.groups(t, TRAIN), 8
            assert len(groups) == places + drawn(game.ledger, t)
            mixed = sum(map(is_mixed, groups))
            assert game.ledger.stage_metrics(t, "refill")["lacking"] == places - mixed >= 0
            learned = [group for group in lesson(game, t) if group.purpose == "train"]
            assert len(learned) == mixed
        assert drawn(game.ledger, 2) > 0


def test_a_round_asks_no_prompt_twice_and_keeps_where_each_came_from(finished: Path) -> None:
    with open_game(small(*REFILLED), finished) as game:
        for t in (1, 2):
            prompts = game.ledger.composition(t)
            assert [group.prompt.id for group in game.ledger.groups(t, TRAIN)] == [
                prompt.id for prompt in prompts
            ]
            assert len({prompt.id for prompt in prompts}) == len(prompts)
            for prompt in prompts[8:]:
                made = prompt.lineage
                assert (made.operator == "original") != bool(made.parents)


def test_repeated_parents_do_not_refill_the_round_that_asked_them(tmp_path: Path) -> None:
    repeated = ("creator.operators=[repeat]", "creator.gates=[]", "creator.estimator=uniform")
    play_out(tmp_path / "run", "rounds=2", "evaluation.every=9", "solver.refill=1", *repeated)
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert drawn(ledger, 2) > 0
        ids = [prompt.id for prompt in ledger.composition(2)]
        assert len(set(ids)) == len(ids)


def test_tokens_of_refills_count_as_generated(finished: Path) -> None:
    with open_game(small(*REFILLED), finished) as game:
        for t in (1, 2):
            groups = [*game.ledger.groups(t, TRAIN), *game.ledger.groups(t, BASELINE)]
            tokens = sum(response.length for group in groups for response in group.responses)
            counted = sum(m.value for m in game.ledger.metrics(GENERATED) if m.round == t)
            assert counted == tokens


def test_a_run_that_stops_after_every_event_ends_like_one_that_does_not(
    finished: Path, tmp_path: Path
) -> None:
    directory, seen = tmp_path / "interrupted", 2
    while seen == 2:
        # Two, since learning begins with an event before there is anything to keep.
        with open_game(small(*REFILLED), directory) as game:
            seen = sum(1 for _ in islice(play(game), 2))
    assert digest(directory) == digest(finished)


def test_a_pause_while_refilling_judges_anew_and_draws_the_same(
    finished: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "paused"
    with open_game(small(*REFILLED), directory) as game:
        for _ in play(game):
            if game.ledger.stage_done(2, "refill:0"):
                break
        for label in (TRAIN, BASELINE):
            game.ledger.clear_verdicts(2, label)
    play_out(directory, *REFILLED)
    assert digest(directory) == digest(finished)


def test_a_robust_run_learns_from_replays_alone_and_goes_on_the_same(tmp_path: Path) -> None:
    robust = (
        "rounds=6",
        "save.every=2",
        "evaluation.every=9",
        "creator.memory=20",
        "creator.sampler=plr",
        "creator.replay={enabled: true, probability: 0.5, warm: 8}",
    )
    whole = play_out(tmp_path / "whole", *robust)
    with Ledger.open(tmp_path / "whole" / LEDGER, read_only=True) as ledger:
        rounds = range(1, 7)
        replayed = {t: ledger.stage_metrics(t, "compose")["replayed"] for t in rounds}
        steps = {t: ledger.stage_metrics(t, "learn")["steps"] for t in rounds}
        asked: set[str] = set()
        for t in rounds:
            ids = {prompt.id for prompt in ledger.composition(t)}
            # What is replayed was asked before; what is looked at was mostly not.
            assert (ids <= asked) == bool(replayed[t])
            asked |= ids
    assert 0 < sum(map(bool, replayed.values())) < 6
    assert all(bool(steps[t]) == bool(replayed[t]) for t in rounds)
    with open_game(small(*robust), tmp_path / "stopped") as game:
        for event in play(game):
            if (event.round, event.stage) == (4, "learn"):
                break
    assert play_out(tmp_path / "stopped", *robust) == whole
