from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path

import pytest

from selfplay.analysis.status import standing
from selfplay.build import open_game
from selfplay.config import load_config
from selfplay.config.sources import config_of_run
from selfplay.core.errors import ConfigError, DataError, LedgerError, ResourceError
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.process.environment import changes
from tests.selfplay.small_runs import digest, play_out, small

KEPT = ("save.every=1", "save.keep_last=3")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "whole"
    play_out(directory)
    return directory


def test_a_run_that_stops_after_any_event_ends_like_one_that_does_not(
    finished: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "interrupted"
    events = 0
    while True:
        with open_game(small(), directory) as game:
            seen = sum(1 for _ in islice(play(game), 3))
        events += seen
        if seen < 3:
            break
    assert events > 30
    assert digest(directory) == digest(finished)


def test_a_run_goes_on_from_its_directory_alone(finished: Path, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    with open_game(small(), directory) as game:
        for event in play(game):
            if (event.round, event.stage) == (2, "attempt"):
                break
    with open_game(config_of_run(directory), directory) as game:
        for _ in play(game):
            pass
    assert digest(directory) == digest(finished)


def test_prompts_come_from_the_ledger_once_the_run_has_begun(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    rows = [{"prompt": f"What is {i} + 1?", "answer": str(i + 1)} for i in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    short = ("rounds=1", "creator.batch=4", "solver.sampling.max_new_tokens=4")
    loaded = load_config("own", [f"prompts={path}", "model=tiny", *short])
    with open_game(loaded, tmp_path / "run") as game:
        next(play(game))
        before = game.originals.ids.tolist(), [p.id for p in game.heldout]
    path.unlink()
    with open_game(loaded, tmp_path / "run") as game:
        assert (game.originals.ids.tolist(), [p.id for p in game.heldout]) == before


def test_another_seed_gives_another_run(finished: Path, tmp_path: Path) -> None:
    assert play_out(tmp_path / "other", "seed=1") != digest(finished)


def test_playing_a_finished_run_changes_nothing(finished: Path) -> None:
    before = digest(finished)
    with open_game(small(), finished) as game:
        assert list(play(game)) == []
    assert digest(finished) == before


def test_learning_stages_after_the_last_saved_version_are_learned_again(tmp_path: Path) -> None:
    whole, behind = tmp_path / "whole", tmp_path / "behind"
    play_out(whole, "save.every=10")
    with open_game(small("save.every=10"), behind) as game:
        for event in play(game):
            if (event.round, event.stage) == (3, "judge"):
                break
    assert [path.name for path in (behind / "policy").iterdir()] == ["0"]
    with open_game(small("save.every=10"), behind) as game:
        stages = [event.stage for event in play(game)]
    assert stages[:2] == ["learn again", "learn again"]
    assert digest(behind) == digest(whole)


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "policy.json"])
@pytest.mark.parametrize("damage", ["altered", "cut", "gone"])
def test_a_damaged_policy_version_is_replaced_by_an_older_one(
    file: str, damage: str, tmp_path: Path, three_versions: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(three_versions, damaged)
    path = damaged / "policy" / "3" / file
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(
            content[: len(content) // 2] + bytes(len(content) // 2) * (damage == "altered")
        )
    with open_game(small(*KEPT), damaged) as game:
        assert [event.stage for event in islice(play(game), 1)] == ["learn again"]
        assert game.solver.version == 3


@pytest.fixture(scope="module")
def three_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "three"
    with open_game(small(*KEPT), directory) as game:
        for event in play(game):
            if (event.round, event.stage) == (4, "compose"):
                break
    return directory


def test_a_run_with_a_damaged_version_ends_like_one_without(tmp_path: Path) -> None:
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    play_out(whole, *KEPT)
    with open_game(small(*KEPT), damaged) as game:
        for event in play(game):
            if (event.round, event.stage) == (4, "compose"):
                break
    weights = damaged / "policy" / "3" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-64] + bytes(64))
    with open_game(small(*KEPT), damaged) as game:
        for _ in play(game):
            pass
    assert digest(damaged) == digest(whole)


def test_only_configured_policy_versions_stay(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    play_out(directory, "rounds=6", "save.every=1", "save.keep_last=2", "save.keep_every=3")
    assert sorted(path.name for path in (directory / "policy").iterdir()) == ["0", "3", "5", "6"]


def test_more_rounds_extend_a_finished_run(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    play_out(directory, "rounds=2")
    play_out(directory, "rounds=3")
    assert standing(directory).round == 3
    assert standing(directory).state == "finished"


def test_another_configuration_is_refused_with_the_keys_that_differ(finished: Path) -> None:
    with (
        pytest.raises(LedgerError, match=r"keys differ: creator\.batch, solver\.learning_rate"),
        open_game(small("creator.batch=9", "solver.learning_rate=0.5"), finished),
    ):
        pass


def test_a_second_owner_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with open_game(small(), tmp_path / "run") as game:
        next(play(game))
        with (
            pytest.raises(LedgerError, match=r"in use by process \d+"),
            open_game(small(), tmp_path / "run"),
        ):
            pass


def test_a_truncated_ledger_is_a_clear_error(finished: Path, tmp_path: Path) -> None:
    directory = tmp_path / "cut"
    directory.mkdir()
    whole = (finished / LEDGER).read_bytes()
    (directory / LEDGER).write_bytes(whole[: len(whole) // 2])
    with (
        pytest.raises(LedgerError, match=r"ledger\.db.*(damaged|truncated|malformed|corrupt)"),
        open_game(small(), directory),
    ):
        pass


def test_a_wrong_pass_through_option_is_refused_before_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("selfplay.build.leading_solver", load)
    with (
        pytest.raises(ConfigError, match="los_type"),
        open_game(small("solver.trl.los_type=grpo"), tmp_path / "run"),
    ):
        pass
    assert not (tmp_path / "run" / LEDGER).exists()


def test_a_token_budget_ends_the_run_after_the_round_that_reaches_it(tmp_path: Path) -> None:
    play_out(tmp_path / "run", "rounds=50", "token_budget=200")
    found = standing(tmp_path / "run")
    assert found.training_tokens >= 200
    assert found.round < 50
    assert max(found.evaluations) == found.round


def test_a_budget_run_cut_off_in_its_last_round_still_finishes_it(tmp_path: Path) -> None:
    budget = ("rounds=50", "token_budget=200")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    play_out(whole, *budget)
    last = standing(whole).round
    with open_game(small(*budget), cut) as game:
        for event in play(game):
            if (event.round, event.stage) == (last, "judge"):
                break
    assert standing(cut).state == "stopped"
    play_out(cut, *budget)
    assert standing(cut).state == "finished"
    assert digest(cut) == digest(whole)


def test_a_policy_folder_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    with open_game(small("save.every=1"), directory) as game:
        for event in play(game):
            if (event.round, event.stage) == (1, "judge"):
                break
    obstacle = directory / "policy"
    obstacle.rename(directory / "aside")
    obstacle.write_text("a file where the folder should be")
    with (
        pytest.raises((ResourceError, LedgerError), match="policy"),
        open_game(small("save.every=1"), directory) as game,
    ):
        for _ in play(game):
            pass
    obstacle.unlink()
    (directory / "aside").rename(obstacle)
    with open_game(small("save.every=1"), directory) as game:
        for _ in play(game):
            pass
        assert game.ledger.last_round() == 4


def test_recorded_groups_warm_start_the_first_round(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.jsonl"
    recorded.write_text(
        '{"prompt": "What is 1 + 1?", "answer": "2", "responses": ["2", "3"], "rewards": [1, 0]}\n'
        '{"prompt": "What is 1 + 2?", "answer": "3", "responses": ["3", "3"], "rewards": [1, 1]}\n'
    )
    directory = tmp_path / "run"
    with open_game(small("rounds=1", f"recorded={recorded}"), directory) as game:
        next(play(game))
    recorded.unlink()
    play_out(directory, "rounds=1", f"recorded={recorded}")
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        values = [estimate.value for estimate in ledger.estimates() if estimate.round == 1]
    assert sorted(values) == [0.0, 1.0]


def test_a_held_out_prompt_among_the_recorded_is_never_asked(tmp_path: Path) -> None:
    with open_game(small("rounds=0"), tmp_path / "look") as game:
        held = game.heldout[0]
    recorded = tmp_path / "recorded.jsonl"
    row = {"prompt": f"  {held.text.upper()} ", "responses": ["a", "b"], "rewards": [0, 1]}
    recorded.write_text(json.dumps(row) + "\n")
    options = (f"recorded={recorded}", "creator.operators=[repeat]", "creator.gates=[]")
    with open_game(small("rounds=1", *options), tmp_path / "run") as game:
        assert list(game.recorded) == []


def test_a_prompt_file_without_any_gold_answer_is_refused_for_the_verifier(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "Write a poem."}\n')
    loaded = load_config("own", [f"prompts={path}", "model=tiny", "evaluation.source.share=0"])
    with pytest.raises(DataError, match="it is to judge has one"), open_game(loaded, tmp_path):
        pass


def test_a_change_of_the_environment_is_named() -> None:
    found = changes({"torch": "2.13.0", "threads": 1}, {"torch": "2.13.0", "threads": 2})
    assert found == ["threads 1, and this is 2"]


@pytest.mark.parametrize(
    "override",
    [
        "solver.sampling.max_new_tokens=0",
        "solver.sampling.temperature=-1",
        "solver.sampling.top_p=0",
        "solver.minibatches=0",
        "solver.epochs=0",
        "solver.learning_rate=-1",
        "solver.schedule=cosine",
        "evaluation.source.count=-1",
        "token_budget=-5",
        "max_missing=2",
        "rounds=-1",
    ],
)
def test_impossible_values_are_refused_by_name(override: str) -> None:
    name = override.split("=")[0].rpartition(".")[2]
    with pytest.raises(ConfigError, match=rf"{name}|solver.rounds"):
        small(override)
