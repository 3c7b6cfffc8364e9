"""Trackers of metrics, each a thin shell around its library.

The libraries are called directly and not through transformers' callbacks, which log the
`TrainingArguments` of a trainer as the run's configuration, take no run to go on with, and number
no steps. The names are the same, and so are the variables that the libraries read themselves
(`WANDB_MODE`, `WANDB_ENTITY`, `TRACKIO_DIR` and others). Left out: transformers' other names; a
tracker of the user's own is named 'package.module:Class'.

Every round is handed over once, however often the run was stopped: what every tracker has got is
noted in a file after each round, and a process that goes on hands over the rounds that are missing,
from the ledger, before it plays. So a tracker that joins late gets the whole run. The ledger stays
the source of truth: trackers are never read.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from selfplay.core.components import NoOptions
from selfplay.core.errors import ResourceError
from selfplay.core.places import writing
from selfplay.events import Event, StageDone
from selfplay.ledger import Ledger
from selfplay.paths import TRACKING
from selfplay.tracking.table import ProjectOptions


@dataclass(frozen=True)
class Log:
    """Which log of a run is opened."""

    id: str
    """The same in every process of the run, and of no other run."""
    name: str
    """Of the run, for people."""
    directory: Path
    """For files; it exists."""
    settings: Mapping[str, Any]
    """The run's configuration."""
    next: int
    """The first round that the log lacks; anything of it or of later rounds is void."""


class Tracker(Protocol):
    """Keeps a log of metrics."""

    def open(self, log: Log) -> None:
        """Begins the log, or goes on with it."""

    def log(self, t: int, metrics: Mapping[str, float]) -> None:
        """The finite metrics of round `t`, by `stage/name`."""

    def close(self) -> None:
        """Writes what is left."""


class TensorBoard:
    """Event files; the steps of a process that was killed before it noted them are purged."""

    def __init__(self, options: NoOptions) -> None:
        """Raises ResourceError where TensorBoard is not installed."""
        _installed("tensorboard")
        self._writer: Any = None

    def open(self, log: Log) -> None:
        """As `Tracker.open`."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(
            str(log.directory / "tensorboard"), purge_step=log.next or None
        )

    def log(self, t: int, metrics: Mapping[str, float]) -> None:
        """As `Tracker.log`."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, t)
        self._writer.flush()

    def close(self) -> None:
        """As `Tracker.close`."""
        self._writer.close()


class WeightsAndBiases:
    """A run of W&B with an id of its own; steps that the server has already, it drops."""

    def __init__(self, options: ProjectOptions) -> None:
        """Raises ResourceError where wandb is not installed."""
        self._library = _installed("wandb")
        self._options = options
        self._run: Any = None

    def open(self, log: Log) -> None:
        """As `Tracker.open`.

        Raises:
            ResourceError: nobody is logged in, or the server does not answer.
        """
        try:
            self._run = self._library.init(
                project=self._options.project,
                id=log.id,
                name=log.name,
                resume="allow",
                dir=str(log.directory),
                config=dict(log.settings),
            )
        except self._library.Error as error:
            raise ResourceError(
                f"report_to: expected a log of W&B to write to, found: {error} Log in, keep the "
                "metrics in the run directory with WANDB_MODE=offline, or leave wandb out of "
                "report_to"
            ) from error

    def log(self, t: int, metrics: Mapping[str, float]) -> None:
        """As `Tracker.log`."""
        self._run.log(dict(metrics), step=t)

    def close(self) -> None:
        """As `Tracker.close`."""
        self._run.finish()


class Trackio:
    """A run of Trackio, named after the run's directory and its id."""

    def __init__(self, options: ProjectOptions) -> None:
        """Raises ResourceError where trackio is not installed."""
        self._library = _installed("trackio")
        self._options = options

    def open(self, log: Log) -> None:
        """As `Tracker.open`."""
        self._library.init(
            project=self._options.project,
            name=f"{log.name}-{log.id}",
            resume="allow",
            config=dict(log.settings),
            embed=False,
        )

    def log(self, t: int, metrics: Mapping[str, float]) -> None:
        """As `Tracker.log`."""
        self._library.log(dict(metrics), step=t)

    def close(self) -> None:
        """As `Tracker.close`."""
        self._library.finish()


def _installed(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        # A package that is there but broken should say itself what it lacks.
        if error.name != package:
            raise
        raise ResourceError(
            f"report_to: metrics are to go to '{package}', which is not installed. Install it with "
            "`pip install 'selfplay-engine[track]'`, or leave it out of report_to"
        ) from error


MARKS = "marks.json"


class Tracked:
    """A `Watcher` that hands rounds to trackers."""

    def __init__(self, trackers: Mapping[str, Tracker], ledger: Ledger, directory: Path) -> None:
        """Opens the logs and hands over the rounds that they lack.

        Args:
            trackers: by name.
            ledger: of the run.
            directory: of the run.
        """
        self._ledger, self._opened = ledger, trackers
        self._trackers = dict(trackers)
        self._place = directory / TRACKING
        self._id, self._next = self._marks()
        for name, tracker in trackers.items():
            with writing(self._place):
                self._place.mkdir(exist_ok=True)
            begin = self._next.get(name, 0)
            called = directory.resolve().name
            tracker.open(Log(self._id, called, self._place, ledger.settings, begin))
            for t in range(begin, self._recorded()):
                if name in self._trackers:
                    self._hand(name, t)

    def see(self, event: Event) -> None:
        """Hands over a round when it is recorded."""
        if isinstance(event, StageDone) and event.stage == "record":
            for name in list(self._trackers):
                self._hand(name, event.round)

    def close(self) -> None:
        """Closes the logs, also of those that have failed."""
        for name, tracker in self._opened.items():
            try:
                tracker.close()
            except OSError as error:
                print(f"note: {name} was not closed in order: {error}", file=sys.stderr)

    def _hand(self, name: str, t: int) -> None:
        metrics = {n: x for n, x in self._ledger.round_metrics(t).items() if math.isfinite(x)}
        try:
            self._trackers[name].log(t, metrics)
        except OSError as error:
            # The next process hands over what this one could not.
            print(
                f"note: {name} gets no more metrics until the run goes on: {error}", file=sys.stderr
            )
            del self._trackers[name]
            return
        self._next[name] = t + 1
        draft = self._place / f"{MARKS}.partial"
        with writing(draft):
            draft.write_text(json.dumps({"id": self._id, "next": self._next}))
            draft.replace(self._place / MARKS)

    def _marks(self) -> tuple[str, dict[str, int]]:
        """The log's id and the first round that each tracker lacks."""
        try:
            found = json.loads((self._place / MARKS).read_text())
            return str(found["id"]), {str(name): int(t) for name, t in found["next"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # None yet, or a damaged one: the trackers get a log of their own from the beginning.
            return uuid.uuid4().hex[:12], {}

    def _recorded(self) -> int:
        """Rounds that are recorded, round 0 included."""
        return self._ledger.last_round() + 1 if self._ledger.stage_done(0, "record") else 0
