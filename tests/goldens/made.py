"""What the goldens are made of: the same calls record them and compare them."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Callable
from pathlib import Path

import torch
from typer.testing import CliRunner

from meta.judges import judging_fingerprint
from meta.judges.table import JUDGES
from selfplay.analysis.status import digest
from selfplay.build import open_game
from selfplay.cli.main import app
from selfplay.config import Loaded, load_config, shipped_configs
from selfplay.config.settings import RunConfig
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from tests.model_server import serving
from tests.selfplay.coached_runs import coached, make_writer, own
from tests.selfplay.small_runs import small
from tests.selfplay.stages.test_tasks import MIXTURE
from tests.selfplay.test_evolving import game, make_files, rewritten

HERE = Path(__file__).parent
LOOPHOLE = (
    *("rounds=4", "chunk=16", "model.threads=1", "prompts.count=64", "creator.batch=12"),
    *("solver.sampling.n=4", "solver.sampling.max_new_tokens=12", "evaluation.every=3"),
    *("evaluation.samples=1", "evaluation.source.count=4", "meta.monitors.audit=4"),
    *("meta.review.anchors={name: sampled, prompts: 64, samples: 6}", "meta.review.fresh=24"),
    *("meta.review.every=2", "meta.review.plateau=0", "meta.review.rest=1", "save.every=2"),
    *("meta.review.gate.least_prompts=4", "meta.review.gate.least_changed=3"),
)
LORA = ("model.lora.enabled=true", "model.lora.r=2", "model.lora.alpha=4")
PROMPTS, MODEL = "prompts=/prompts.jsonl", "model=/model"
GIVEN = {
    "own": (PROMPTS, MODEL),
    "evolve": (PROMPTS, MODEL, "meta.judge.path=/judge"),
    "recipes/one_24gb": (PROMPTS,),
    "recipes/one_80gb": (PROMPTS,),
    "recipes/one_80gb_whole": (PROMPTS,),
    "recipes/judge_endpoint": (
        *(PROMPTS, "meta.rubric=surface", "meta.judge.model.model=judge"),
        "meta.judge.model.base_url=http://host/v1",
    ),
}
"""What a configuration leaves to its user."""


def fingerprints() -> dict[str, str]:
    """That of every judge with its default options, under no rubric."""
    return {name: judging_fingerprint(name, row.options(), None) for name, row in JUDGES.items()}


def configurations() -> dict[str, str]:
    """What `selfplay config` prints of every shipped configuration of a run, and without one."""
    names = [name for name in shipped_configs() if not name.startswith("ablations/")]
    printed = {"defaults": _printed("config")}
    return printed | {
        name.replace("/", "-"): _printed("config", name, *GIVEN.get(name, ())) for name in names
    }


def _printed(*arguments: str) -> str:
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, (arguments, found.output, found.exception)
    return found.output


def environment() -> dict[str, str]:
    """What digests of runs depend on beside the code: they are compared where it is the same."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        rows = [x.split(":") for x in Path("/proc/cpuinfo").read_text().splitlines() if ":" in x]
        known = {key.strip(): value.strip() for key, value in reversed(rows)}
        names = ("model name", "cpu family", "model", "stepping")
        processor = ", ".join(known.get(name, "?") for name in names)
    return {
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "processor": processor,
    }


def played(loaded: Loaded[RunConfig], directory: Path, *aside: str) -> str:
    """The digest of a run with what differs from place to place set aside."""
    with open_game(loaded, directory) as opened:
        for _ in play(opened):
            pass
    with Ledger.open(directory / LEDGER) as ledger:
        settings = json.dumps(ledger.settings)
        for i, text in enumerate(aside):
            settings = settings.replace(text, f"<{i}>")
        ledger.amend_settings(json.loads(settings))
        return ledger.digest()


def embedded(directory: Path) -> str:
    return played(small(), directory / "run")


def adapters(directory: Path) -> str:
    """What the run directory `half_way` comes to when it goes on."""
    played(small(*LORA), directory / "run")
    return digest(directory / "run")


def loophole(directory: Path) -> str:
    return played(load_config("loophole", LOOPHOLE), directory / "run")


def tasks(directory: Path) -> str:
    return played(small(*MIXTURE), directory / "run")


def rewriter(directory: Path) -> str:
    """A rewriter with a network of its own, which learns."""
    writer = make_writer(directory / "writer")
    loaded = coached(writer, directory, own(writer))
    return played(loaded, directory / "run", str(directory))


def evolve(directory: Path) -> str:
    """A scripted server writes the prompts."""
    files = make_files(directory)
    with serving(rewritten) as served:
        return played(game(files, served), directory / "run", str(directory), served.url)


RUNS: dict[str, Callable[[Path], str]] = {
    run.__name__: run for run in (embedded, adapters, loophole, tasks, rewriter, evolve)
}
