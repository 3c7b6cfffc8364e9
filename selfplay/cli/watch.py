"""How a run is shown: bars on a terminal, plain lines elsewhere, JSON lines for a script."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping

from selfplay.cli.output import say, say_json
from selfplay.events import Event, Progress, StageDone, Watcher
from selfplay.stages.evaluation import GREEDY, SAMPLED

SHOWN = (
    ("reward", "reward"),
    ("mixed", "mixed groups"),
    ("difficulty", "difficulty"),
    (SAMPLED, "held-out sampled"),
    (GREEDY, "greedy"),
)
"""Metrics of a round's line, in order."""


class RoundLine:
    """Collects the events of a round into one line."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._metrics: dict[str, float] = {}
        self._seconds = 0.0
        self._tokens = 0

    def add(self, event: Event) -> str | None:
        """The line, once the round is recorded."""
        if isinstance(event, Progress):
            self._tokens += event.tokens
            return None
        alarms = self._metrics.get("alarms", 0.0)
        self._metrics |= event.metrics
        if "alarms" in event.metrics:  # of several stages of a round
            self._metrics["alarms"] += alarms
        self._seconds += event.seconds
        if event.stage != "record":
            return None
        line = self._line(event.round)
        self._metrics, self._seconds, self._tokens = {}, 0.0, 0
        return line

    def _line(self, t: int) -> str:
        parts = [f"round {t}/{self._rounds}"]
        parts += [
            f"{word} {self._metrics[name]:.3f}" for name, word in SHOWN if name in self._metrics
        ]
        words = (
            child_words(self._metrics),
            alarm_words(self._metrics),
            review_words(self._metrics),
        )
        parts += [word for word in words if word]
        speed = self._tokens / self._seconds if self._seconds else 0.0
        return " · ".join([*parts, f"{speed:,.0f} tok/s", f"{self._seconds:.1f} s"])


def child_words(metrics: Mapping[str, float]) -> str:
    """`no child (60 turned down)`; empty where some were admitted, or none was tried."""
    rejected = int(metrics.get("rejected", 0))
    return f"no child ({rejected:,} turned down)" if rejected and not metrics["evolved"] else ""


def alarm_words(metrics: Mapping[str, float]) -> str:
    """`2 alarms`; empty without any."""
    alarms = int(metrics.get("alarms", 0))
    return f"{alarms} alarm{'s' * (alarms > 1)}" if alarms else ""


def review_words(metrics: Mapping[str, float]) -> str:
    """What became of a round's review of the rubric; empty where there was none."""
    if not metrics.get("reviewed"):
        return ""
    found = {None: "reviewed, no change", 0.0: "candidate rejected", 1.0: "new rubric"}
    return found[metrics.get("gate_accepted")]


class PlainWatcher:
    """One line for each round."""

    def __init__(self, rounds: int) -> None:
        self._round = RoundLine(rounds)

    def see(self, event: Event) -> None:
        """As `Watcher.see`."""
        if line := self._round.add(event):
            say(line)

    def close(self) -> None:
        """As `Watcher.close`."""


class JsonWatcher:
    """One JSON object on a line for each committed stage."""

    def see(self, event: Event) -> None:
        """As `Watcher.see`."""
        if isinstance(event, StageDone):
            row: Mapping[str, object] = {
                "round": event.round,
                "stage": event.stage,
                "seconds": round(event.seconds, 4),
                "metrics": dict(event.metrics),
            }
            say_json(json.dumps(row))

    def close(self) -> None:
        """As `Watcher.close`."""


class TerminalWatcher:
    """Bars for the rounds and for the stage under way; a line for each evaluated round."""

    def __init__(self, rounds: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._round = RoundLine(rounds)
        self._bars = Bars(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        self._rounds = self._bars.add_task("rounds", total=rounds, note="")
        self._stage = self._bars.add_task("starting", total=1, note="")
        self._began = time.perf_counter()
        self._tokens = 0
        self._bars.start()

    def see(self, event: Event) -> None:
        """As `Watcher.see`."""
        line = self._round.add(event)
        if line and any(word in line for word in ("held-out", "greedy")):
            self._bars.console.print(line, highlight=False)
        if isinstance(event, Progress):
            self._tokens += event.tokens
            speed = self._tokens / (time.perf_counter() - self._began)
            self._bars.update(
                self._stage,
                description=f"  {event.stage}",
                completed=event.done,
                total=event.total,
                note=f"{speed:,.0f} tok/s",
            )
        elif event.stage == "record":
            self._bars.update(self._rounds, completed=event.round)

    def close(self) -> None:
        """As `Watcher.close`."""
        self._bars.stop()


def make_watcher(rounds: int, as_json: bool) -> Watcher:
    """The watcher that suits where the output goes."""
    if as_json:
        return JsonWatcher()
    return TerminalWatcher(rounds) if sys.stdout.isatty() else PlainWatcher(rounds)
