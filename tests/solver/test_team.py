"""Data-parallel learning, in two real processes on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
import torch
from torch.distributed import TCPStore

from selfplay.core.components import chosen
from selfplay.core.seeding import Seed
from solver.learning.batches import micro_batches
from solver.learning.team import Team, is_follower, join
from solver.objectives.rows.combined import Part, SumOptions
from solver.objectives.rows.pairs import BetaDpoOptions
from solver.objectives.table import OBJECTIVES
from solver.solver import Solver
from tests.solver.small_solver import judged, make, weights

ROOT = Path(__file__).parents[2]

PATIENCE = 600.0
"""Seconds until processes are taken for stuck, on however busy a machine."""

pytestmark = pytest.mark.timeout(2 * PATIENCE)

BETA_DPO = chosen("beta_dpo", OBJECTIVES, BetaDpoOptions(keep=0.5))
CASES: dict[str, dict[str, Any]] = {
    "rloo": {"micro_batch_tokens": 96, "minibatches": 2},
    "dpo": {"reference": "initial", "minibatches": 2},
    "simpo": {},
    "sum": {
        "options": SumOptions((Part(BETA_DPO), Part(BETA_DPO), Part(chosen("dpo", OBJECTIVES)))),
        "reference": "initial",
        "minibatches": 2,
    },
    "hinge": {"dtype": "bfloat16", "minibatches": 2},
}
"""TRL's loss of responses, TRL's loss of pairs, a loss of this project's own, parts that keep
something from step to step, each made by another process, and weights that have masters."""
EXACT = [name for name, case in CASES.items() if "dtype" not in case]
"""Those whose sums do not depend on how a step is cut, but by rounding of float32."""

SCRIPT = """
import json, math, os, sys
from pathlib import Path

import torch

from selfplay.core.errors import SelfplayError
from selfplay.core.seeding import Seed
from solver.learning.team import join
from tests.solver.small_solver import judged
from tests.solver.test_team import CASES, learned_twice, solver_of

model, out = Path(sys.argv[1]), Path(sys.argv[2])
team, found = join(), {}

def refused(solver, groups):
    try:
        solver.learn(groups, Seed(3))
    except SelfplayError as error:
        return [type(error).__name__, str(error)]

for name in CASES:
    solver = solver_of(model, name)
    solver.policy.team = team
    if team.rank:
        with torch.no_grad():
            solver.policy.learned[0].zero_()
        solver.follow()
        (out / f"{name}.followed").write_text(json.dumps([solver.policy.memory]))
        torch.save(solver.policy.learned, out / f"{name}.pt")
    else:
        solver.save(out / "start")
        solver.restore(out / "start")
        found[name] = learned_twice(solver)
        solver.save(out / name)
        (out / f"{name}.memory").write_text(json.dumps([solver.policy.memory]))
        team.dismiss()
if team.rank:
    with torch.no_grad():
        solver.policy.learned[0].fill_(math.nan)
    solver.follow()
    os._exit(9)
groups = judged(solver)
found["not finite"] = refused(solver, groups)
solver.restore(out / name)
found["version"] = solver.version
team.dismiss()
found["gone"] = refused(solver, groups)
team.leave()
(out / "found.json").write_text(json.dumps(found))
"""


def solver_of(model: Path, name: str) -> Solver:
    return make(model, name, **CASES[name])


def learned_twice(solver: Solver) -> list[dict[str, float]]:
    groups = judged(solver)
    return [solver.learn(groups, Seed(1)), solver.learn(groups, Seed(2))]


@contextmanager
def launch(arguments: list[str], processes: int = 2) -> Iterator[list[subprocess.Popen[str]]]:
    """Python in some processes, one process group, that find one another as under torchrun.

    The store through which they meet is here, as it is torchrun's there: its port is taken from the
    beginning on. Whoever still runs in the end, or after `PATIENCE`, is killed.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    shared = {
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "OMP_NUM_THREADS": "1",
    }
    started: list[subprocess.Popen[str]] = []
    watchdog = Timer(PATIENCE, lambda: [process.kill() for process in started])
    watchdog.start()
    try:
        for rank in range(processes):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            started.append(
                subprocess.Popen(
                    [sys.executable, *arguments],
                    env={**os.environ, **shared, **own},
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    process_group=started[0].pid if started else 0,
                )
            )
        yield started
    finally:
        watchdog.cancel()
        for process in started:
            process.kill()
            process.communicate()


def ended(processes: Sequence[subprocess.Popen[str]]) -> tuple[list[int], list[tuple[str, str]]]:
    """Exit codes of the processes, once all have ended, and what each said."""
    # Side by side: one that has filled its pipe would keep the others waiting.
    with ThreadPoolExecutor(len(processes)) as pool:
        said = list(pool.map(lambda process: process.communicate(), processes))
    return [process.returncode for process in processes], said


@pytest.fixture(scope="module")
def together(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes learned together, the second of which went away in the end."""
    out = tmp_path_factory.mktemp("team")
    with launch(["-c", SCRIPT, str(tiny_model_dir), str(out)]) as processes:
        codes, said = ended(processes)
    assert codes == [0, 9], said
    return out


def found(together: Path, name: str) -> Any:
    return json.loads((together / "found.json").read_text())[name]


@pytest.mark.parametrize("name", EXACT)
def test_two_processes_learn_what_one_learns(
    together: Path, tiny_model_dir: Path, name: str
) -> None:
    alone, other = solver_of(tiny_model_dir, name), solver_of(tiny_model_dir, name)
    expected = learned_twice(alone)
    other.restore(together / name)
    assert other.version == 2
    for key, weight in weights(alone).items():
        torch.testing.assert_close(weights(other)[key], weight, atol=2e-5, rtol=1e-4)
    for one, two in zip(expected, found(together, name), strict=True):
        assert one.keys() == two.keys()
        # TRL's extremes are of the passes, and two processes cut a step into more of them.
        means = [key for key in one if not key.endswith(("_min", "_max"))]
        assert [two[key] for key in means] == pytest.approx(
            [one[key] for key in means], rel=1e-2, abs=1e-4
        )


@pytest.mark.parametrize("name", CASES)
def test_both_processes_end_with_equal_masters_and_equal_memory(
    together: Path, tiny_model_dir: Path, name: str
) -> None:
    first, second = (
        json.loads((together / f"{name}.{whose}").read_text()) for whose in ("memory", "followed")
    )
    assert first == second
    assert (name == "sum") == any(first[0].values())
    solver = solver_of(tiny_model_dir, name)
    solver.restore(together / name)
    followed = torch.load(together / f"{name}.pt", weights_only=False)
    assert all(torch.equal(a, b) for a, b in zip(solver.policy.learned, followed, strict=True))


def test_what_is_not_finite_in_one_process_is_an_error_in_the_first(together: Path) -> None:
    name, message = found(together, "not finite")
    assert name == "NotFiniteError"
    assert "policy version 2" in message


def test_the_others_listen_on_after_such_an_error(together: Path) -> None:
    assert found(together, "version") == 2


def test_a_process_that_is_gone_is_an_error_with_a_way_on(together: Path) -> None:
    name, message = found(together, "gone")
    assert name == "ResourceError"
    assert "expected all 2 processes" in message
    assert "run the same command again" in message


def test_a_process_by_itself_is_alone_and_imports_nothing_more() -> None:
    team = join()
    assert (type(team), team.size, team.portion([5, 1, 3])) == (Team, 1, [0, 1, 2])
    assert not is_follower()
    code = (
        "import sys; from solver.learning.team import join; join(); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'accelerate')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("variables", "follows"),
    [
        ({"WORLD_SIZE": "2", "RANK": "1"}, True),
        ({"WORLD_SIZE": "2", "RANK": "0"}, False),
        ({"WORLD_SIZE": "1", "RANK": "0"}, False),
        ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}, True),
    ],
)
def test_the_launcher_says_who_follows(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], follows: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_follower() is follows


def test_a_step_is_cut_into_as_many_even_passes_as_there_are_processes() -> None:
    lengths = [4, 4, 4, 4, 4, 4]
    assert micro_batches(range(6), lengths, max_tokens=100) == [[0, 1, 2, 3, 4, 5]]
    assert micro_batches(range(6), lengths, max_tokens=100, parts=2) == [[0, 1, 2], [3, 4, 5]]
    assert micro_batches(range(6), lengths, max_tokens=8, parts=2) == [[0, 1], [2, 3], [4, 5]]
