from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from selfplay.ablation import AblationConfig, Cell, cells, interval, run_cells
from selfplay.config import load_config, shipped_configs
from selfplay.core.errors import ConfigError, ResourceError
from selfplay.settings import RunConfig


def test_the_interval_is_students_t() -> None:
    found = interval(np.array([1.0, 2.0, 3.0, 4.0]))
    assert found.mean == 2.5
    assert found.half == pytest.approx(3.182446 * math.sqrt(5 / 3) / 2, rel=1e-5)


def test_one_value_has_no_interval() -> None:
    assert math.isnan(interval(np.array([1.0])).half)


def test_every_arm_plays_every_seed_and_whole_pairs_come_first() -> None:
    config = AblationConfig(seeds=2, common=["rounds=1"], arms={"a": [], "b": ["chunk=2"]})
    grid = cells(config, Path("runs"))
    assert [(cell.arm, cell.seed) for cell in grid] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert {"rounds=1", "chunk=2", "seed=1"} <= set(grid[3].command)


def test_a_failing_run_ends_the_grid_with_what_it_said(tmp_path: Path) -> None:
    cell = Cell("broken", 3, tmp_path / "run", "tiny", ("rouns=1",))
    with pytest.raises(ResourceError, match=r"broken, seed 3 failed: .*did you mean 'rounds'"):
        list(run_cells([cell], workers=1))


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
