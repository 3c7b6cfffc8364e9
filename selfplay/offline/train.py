"""One offline learning job: any objective on recorded groups or comparisons, without a game.

Recorded responses are shuffled into batches, and every batch is one learning stage of the solver,
as a round of the game is. Batches follow from (seed, epoch), so a job that stopped goes on from its
newest saved version. Its directory holds

    job.json              the configuration, and a hash of the data
    metrics.jsonl         one line for each batch
    policy/<version>/     the policy after that many batches, in Hugging Face layout
    reward_model/         under `rm`: the reward model, for transformers and for the judge

Responses that do not fit the model's context are left out and counted. Objectives that compare with
the policy that answered (`rloo`, `grpo`, `ppo`) take the one before each batch for it: what they
learn from older recordings is off-policy. In a launch of several processes the first does all this
and the others learn with it (`selfplay.build.follow`). Left out: streaming, several files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from selfplay.config import Loaded, differences, load_config, load_values
from selfplay.core.errors import ConfigError, DataError, LedgerError
from selfplay.core.guard import guarded
from selfplay.core.notices import heard_by
from selfplay.core.places import writing
from selfplay.core.seeding import Seed
from selfplay.core.state_files import read_state, write_state
from selfplay.core.types import Group
from selfplay.data.recorded import recorded_file, to_group
from selfplay.drafts import whole
from selfplay.ledger import RunLock
from selfplay.offline.train_config import LIMIT, RecordedSampling, TrainConfig
from selfplay.offline.training_data import check_teaches, comparison_accuracy, held_out, tokenized
from selfplay.paths import POLICY, model_directory
from selfplay.process.notes import job_notes, length_notes, loss_notes
from selfplay.process.signals import LeavingError
from selfplay.stages.checkpoints import FAILED
from solver.learning.errors import NotFiniteError
from solver.objectives.needs import needs_of
from solver.solver import Solver, check_solver, leading_solver

JOB, METRICS, REWARD_MODEL = "job.json", "metrics.jsonl", "reward_model"
GROWING = {"config.epochs", "config.save_every"}
"""Keys that may change when a job goes on."""


@dataclass(frozen=True)
class BatchDone:
    """A batch was learned from; it is on disk once a version at or after it is saved."""

    version: int
    total: int
    metrics: Mapping[str, float]
    peak_bytes: int | None
    """Most memory that it took (CUDA: tensors; CPU: the whole process); differs between runs."""


@dataclass(frozen=True)
class Trained:
    """What a job has made."""

    policy: Path
    reward_model: Path | None
    batches: Sequence[Mapping[str, float]]
    """The metrics of every batch."""
    groups: int
    too_long: int
    """Responses left out since they do not fit the context."""
    heldout_accuracy: float | None
    """Share of held-out comparisons that the reward model orders as recorded."""
    heldout_comparisons: int
    peak_bytes: int | None = None
    """Most memory that a batch of this start took; None where none was left to learn from."""
    notes: Sequence[str] = ()
    """What is worth knowing of the data: idle columns, rows that repeat or contradict others."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: batches are counted."""
        reward_model = str(self.reward_model) if self.reward_model else None
        places = {"policy": str(self.policy), "reward_model": reward_model}
        counted = {"batches": len(self.batches), "notes": list(self.notes)}
        return {**vars(self), **places, **counted}


@dataclass
class Job:
    """A learning job at work."""

    config: TrainConfig
    directory: Path
    solver: Solver
    groups: Sequence[Group]
    heldout: Sequence[Group]
    notes: Sequence[str] = ()
    """What is worth knowing of the data."""

    @property
    def batches(self) -> list[list[int]]:
        """Positions of the groups of each batch; those of an epoch hold every group once."""
        size, count = self.config.batch, len(self.groups)
        orders = [
            Seed(self.config.seed).at("order", epoch).numpy().permutation(count).tolist()
            for epoch in range(self.config.epochs)
        ]
        return [order[i : i + size] for order in orders for i in range(0, count, size)]

    def path(self, version: int) -> Path:
        """Where a version of the policy lies, if it is kept."""
        return self.directory / POLICY / str(version)

    def save(self) -> None:
        """Writes the policy's version, and removes the one before."""
        path = self.path(self.solver.version)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.solver.save(path)
            for other in saved_versions(self.directory):
                if other != self.solver.version:
                    shutil.rmtree(self.path(other))


def train(
    data: str | Path,
    directory: str | Path,
    overrides: Sequence[str] = (),
    source: str | Path | None = None,
    watch: Callable[[BatchDone], None] = lambda _: None,
    tell: Callable[[str], None] = lambda note: None,
) -> Trained:
    """Trains on recorded data, or goes on with the job that is in `directory`.

    Args:
        data: the file.
        directory: what is made goes there.
        overrides: `key=value` each, such as `model=DIR` or `solver.objective=dpo`.
        source: a YAML file with a `TrainConfig`.
        watch: called after every batch. It may raise `LeavingError` to leave: what was learned is
            saved, and the same call goes on from there.
        tell: gets what is worth knowing before the job begins.

    Returns:
        Where the policy lies, and what the job counted.

    Raises:
        ConfigError, DataError, ModelError: something cannot be used, or has nothing to teach.
        ResourceError: another process of the launch is gone.
        LedgerError: the directory holds another job, or another process is at work there.
        NotFiniteError: a loss or gradient is not finite; says where its batch was written.
    """
    loaded = load_config(source, [f"data={json.dumps(str(data))}", *overrides], TrainConfig)
    return carry_out(loaded, Path(directory), watch, tell)


def carry_out(
    loaded: Loaded[TrainConfig],
    directory: Path,
    watch: Callable[[BatchDone], None],
    tell: Callable[[str], None],
) -> Trained:
    """As `train`, of a configuration that is loaded."""
    peaks = []
    with heard_by(tell), open_job(loaded, directory) as job:
        solver = job.config.solver
        about = [*job_notes(solver.objective, job.groups), *length_notes(solver)]
        for note in [*job.notes, *about, *loss_notes(solver)]:
            tell(note)
        for done in learn(job):
            peaks += [done.peak_bytes] if done.peak_bytes is not None else []
            try:
                watch(done)
            except LeavingError:
                job.save()
                raise
        return replace(finish(job), peak_bytes=max(peaks, default=None))


@contextmanager
def open_job(loaded: Loaded[TrainConfig], directory: Path) -> Iterator[Job]:
    """The job, at the newest version that its directory holds. Raises as `train`."""
    config = of_recorded(loaded)
    recorded = recorded_file(Path(config.data), config.layout)
    records = recorded.records
    # Not tokenised yet, so that what cannot be used is refused before a model is loaded.
    plain = [to_group(replace(record, logprobs=())) for record in records]
    check_teaches(plain, config.solver.objective.name, needs_of(config.solver), config.data)
    check_solver(config.solver)
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    with RunLock(directory), ExitStack() as stack:
        settle(loaded, directory)
        chosen = replace(config.model, path=str(model_directory(config.model.path)))
        solver = leading_solver(chosen, config.solver)
        stack.callback(solver.dismiss)
        groups = tokenized(records, solver, config.end_of_sequence)
        learned, kept = held_out(groups, config.heldout, Seed(config.seed).at("heldout"))
        for version in saved_versions(directory)[-1:]:
            solver.restore(directory / POLICY / str(version))
        yield Job(config, directory, solver, learned, kept, recorded.notes)


def of_recorded(loaded: Loaded[TrainConfig]) -> TrainConfig:
    """The configuration, without a limit on responses where none was given: the default is that of
    a run's own samples.
    """
    config = loaded.config
    if loaded.sources.get(LIMIT, "default") != "default":
        return config
    sampling = RecordedSampling(**vars(config.solver.sampling))
    return replace(config, solver=replace(config.solver, sampling=sampling))


def settle(loaded: Loaded[TrainConfig], directory: Path) -> None:
    """Writes what the job is, or compares it with the job that is there.

    Raises:
        LedgerError: the directory holds another job.
    """
    path = directory / JOB
    data = Path(loaded.config.data)
    job: dict[str, Any] = {"config": loaded.as_dict(), "data_sha256": ""}
    if data.is_file():
        with data.open("rb") as file:
            job["data_sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    if path.exists():
        before = read_state(path, "config")
        with suppress(ConfigError):  # of a key that is no longer known, the differences tell
            config = load_values(before["config"], str(path), TrainConfig).as_dict()
            before = {**before, "config": config}
        changed = differences(before, job, GROWING)
        if changed:
            raise LedgerError(
                f"{directory} holds another job; these differ: {', '.join(changed)}. Choose "
                "another --out, or leave them as they are to go on"
            )
    with writing(path):
        write_state(path, job)


def saved_versions(directory: Path) -> list[int]:
    """The versions of the policy that are on disk, ascending."""
    return sorted(int(path.parent.name) for path in directory.glob(f"{POLICY}/*/policy.json"))


def learn(job: Job) -> Iterator[BatchDone]:
    """Learns from every batch that the policy has not learned from, and saves the last version.

    Raises:
        NotFiniteError: with the place of its batch, which is written there.
    """
    metrics = job.directory / METRICS
    known = metrics.read_text().splitlines(keepends=True) if metrics.exists() else []
    with writing(metrics):
        metrics.write_text("".join(known[: job.solver.version]))
    batches = job.batches
    for version, batch in enumerate(batches[job.solver.version :], start=job.solver.version + 1):
        found = _learned(job, [job.groups[i] for i in batch])
        with writing(metrics), metrics.open("a") as file:
            file.write(json.dumps({"version": version, "metrics": found}) + "\n")
        every = job.config.save_every
        if version == len(batches) or (every and version % every == 0):
            job.save()
        yield BatchDone(version, len(batches), found, job.solver.peak_bytes)


def _learned(job: Job, groups: Sequence[Group]) -> dict[str, float]:
    version = job.solver.version
    try:
        return job.solver.learn(groups, Seed(job.config.seed).at("batch", version))
    except NotFiniteError as error:
        path = job.directory / FAILED / f"batch-{version + 1}.safetensors"
        with writing(path):
            path.parent.mkdir(exist_ok=True)
            save_file(error.batch, path)
        raise NotFiniteError(
            f"{error} The batch is in {path}. With other options it is another job: choose "
            "another --out.",
            error.batch,
        ) from error


def finish(job: Job) -> Trained:
    """Writes the reward model, where there is one, and tests it on the held-out comparisons.

    Raises:
        DataError: no batch had anything to learn from.
    """
    metrics = job.directory / METRICS
    with guarded(LedgerError, f"{metrics}: expected the metrics of each batch, found"):
        batches = [json.loads(line)["metrics"] for line in metrics.read_text().splitlines()]
    if not any(batch["steps"] for batch in batches):
        raise DataError(
            f"{job.config.data}: no batch had anything to learn from under "
            f"{job.config.solver.objective.name}; {METRICS} in {job.directory} counts what was "
            "left out"
        )
    reward_model, accuracy, comparisons = None, None, 0
    if "reward head" in needs_of(job.config.solver):
        reward_model = job.directory / REWARD_MODEL
        with whole(reward_model, force=True) as draft:
            job.solver.export_reward_model(draft)
    if job.heldout:
        scores = job.solver.reward_scores(job.heldout)
        accuracy, comparisons = comparison_accuracy(job.heldout, scores)
    everything = [*job.groups, *job.heldout]
    return Trained(
        policy=job.path(job.solver.version),
        reward_model=reward_model,
        batches=batches,
        groups=len(job.groups),
        too_long=sum("in a context of" in v.reason for g in everything for v in g.verdicts),
        heldout_accuracy=accuracy,
        heldout_comparisons=comparisons,
        notes=job.notes,
    )
