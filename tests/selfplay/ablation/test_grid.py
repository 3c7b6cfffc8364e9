from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from selfplay.ablation import AblationConfig, Cell, Forecast, cells, interval, run_cells
from selfplay.ablation.cell_process import INTERRUPTED
from selfplay.ablation.forecast import TIMED, ArmCost
from selfplay.config import load_config, shipped_configs
from selfplay.config.settings import RunConfig
from selfplay.core.errors import ConfigError, ResourceError
from selfplay.ledger.lock import holder
from tests.selfplay.small_runs import SMALL, digest, play_out


def test_the_interval_is_students_t() -> None:
    found = interval(np.array([1.0, 2.0, 3.0, 4.0]))
    assert found.mean == 2.5
    assert found.half == pytest.approx(3.182446 * math.sqrt(5 / 3) / 2, rel=1e-5)


def test_an_interval_is_written_with_the_precision_of_its_width() -> None:
    assert str(interval(np.array([-3000.0, 3100.0]))) == "50 ± 38,754"
    assert str(interval(np.array([0.5, 0.5]))) == "0.500 ± 0.000"


def test_one_value_has_no_interval() -> None:
    assert math.isnan(interval(np.array([1.0])).half)


def test_every_arm_plays_every_seed_and_whole_pairs_come_first() -> None:
    config = AblationConfig(seeds=2, common=["rounds=1"], arms={"a": [], "b": ["chunk=2"]})
    grid = cells(config, Path("runs"))
    assert [(cell.arm, cell.seed) for cell in grid] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert {"rounds=1", "chunk=2", "seed=1"} <= set(grid[3].command)


def test_a_failing_run_ends_the_grid_with_what_it_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = Cell("broken", 3, tmp_path / "run", "tiny", (f"model={tmp_path}/none",))
    with pytest.raises(ResourceError, match=r"broken, seed 3 failed: (.|\n)*none"):
        list(run_cells([cell], workers=1))
    assert "note: the grid ends with the runs at work: broken" in capsys.readouterr().err


def test_an_arm_that_cannot_start_is_named_before_any_run_is_played(tmp_path: Path) -> None:
    grid = [
        Cell("eva", 0, tmp_path / "eva", "tiny", (*SMALL, "rounds=0")),
        Cell("broken", 0, tmp_path / "broken", "tiny", ("rouns=1",)),
    ]
    with pytest.raises(ConfigError, match=r"broken: rouns: .*did you mean 'rounds'"):
        list(run_cells(grid, workers=1))
    assert not (tmp_path / "eva").exists()


@pytest.mark.parametrize(
    ("shorter", "message"),
    [("rounds=1", "2 rounds of rounds=1"), ("token_budget=1", "tokens of token_budget=1")],
)
def test_a_run_that_is_past_its_end_is_not_taken_for_a_shorter_one(
    shorter: str, message: str, tmp_path: Path
) -> None:
    play_out(tmp_path / "run", "rounds=2")
    before = digest(tmp_path / "run")
    cell = Cell("eva", 0, tmp_path / "run", "tiny", (*SMALL, "rounds=2", shorter))
    with pytest.raises(ConfigError, match=message):
        list(run_cells([cell], workers=1))
    assert digest(tmp_path / "run") == before


def test_a_cell_ends_with_its_grid_even_before_its_run_has_begun(tmp_path: Path) -> None:
    module = "selfplay.ablation.cell_process"
    command = [sys.executable, "-m", module, "tiny", str(tmp_path / "run"), "", *SMALL]
    cell = subprocess.Popen([*command, "rounds=100000"], stdin=subprocess.PIPE)
    cell.communicate()  # a grid that is killed leaves nothing but the end of what it writes
    assert cell.returncode == INTERRUPTED
    assert holder(tmp_path / "run") is None


def test_a_grid_takes_no_less_than_its_longest_run() -> None:
    arms = (ArmCost("a", 60.0, 10.0, TIMED, 1), ArmCost("b", 30.0, 10.0, TIMED, 1))
    assert Forecast((*arms, ArmCost("c", 900.0, 10.0, TIMED, 0)), workers=8).seconds == 60
    assert Forecast(arms, workers=1).seconds == 90


@pytest.mark.parametrize(
    ("overrides", "message"),
    [([], "needs `arms`"), (["arms.eva=[]", "reference=evs"], "did you mean 'eva'")],
)
def test_a_grid_that_cannot_answer_anything_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, overrides, AblationConfig)


@pytest.mark.parametrize(
    "name", [name for name in shipped_configs() if name.startswith("ablations/")]
)
def test_every_shipped_ablation_loads_and_so_does_each_of_its_arms(name: str) -> None:
    config = load_config(name, [], AblationConfig).config
    for arm in config.arms.values():
        load_config(config.game, [*config.common, *arm], RunConfig)


@pytest.mark.parametrize("name", [name for name in shipped_configs() if "/" not in name])
def test_every_shipped_configuration_loads(name: str) -> None:
    own = ["prompts=prompts.jsonl", "model=DIR"]
    needed = {"own": own, "evolve": [*own, "meta.judge.path=DIR"]}
    load_config(name, needed.get(name, []), RunConfig)
