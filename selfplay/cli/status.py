"""`selfplay status`: where a run stands, also while it runs or after a crash."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli.output import say, say_json
from selfplay.process.heartbeat import SILENT

if TYPE_CHECKING:
    from selfplay.analysis.status import Standing


def status(
    directory: Annotated[Path, typer.Argument(help="The run directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Say where a run stands, also a live or a crashed one."""
    from selfplay.analysis.status import standing

    found = standing(directory)
    if as_json:
        say_json(json.dumps(found.as_dict(), indent=1))
    else:
        show_standing(found)


def show_standing(found: Standing) -> None:
    """Prints a run's figures and what to do next."""
    say(f"\n{found.directory}: {found.state}, round {found.round} of {found.rounds}")
    if found.holder:
        say(f"owned by {found.holder}; last stage committed: {found.stage}")
    for line in [*ending_lines(found), *beat_lines(found)]:
        say(line)
    say(
        f"{found.prompts:,} prompts, {found.tokens:,} tokens generated, "
        f"{sum(found.seconds.values()):,.0f} s ({_shares(found)}), {found.hours:.2f} h in all"
    )
    if found.learning_bytes is not None:
        say(f"learning took {found.learning_bytes / 2**20:,.0f} MiB at most")
    if found.rejected:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(found.rejected.items()))
        say(f"children turned down: {reasons}")
    if found.alarms or found.reviews:
        say(review_line(found))
    for line in gain_lines(found):
        say(line)
    say(f"\nnext: {next_step(found)}")


def ending_lines(found: Standing) -> list[str]:
    """Where the run comes from, and why it ended before its last round."""
    lines = []
    if found.fork:
        lines.append(f"forked from {found.fork['parent']} after its round {found.fork['round']}")
    if found.ending and found.state == "finished":
        lines.append(f"ended after round {found.ending.round} ({found.ending.cause}): ")
        lines[-1] += found.ending.reason
    return lines


def beat_lines(found: Standing) -> list[str]:
    """What the process says of itself, and what is wrong with that."""
    beat = found.beat
    if beat is None:
        return []
    who, ago = f"process {beat.pid} on {beat.host}", f"{_span(beat.silence)} ago"
    if not found.holder:
        return [f"{who} did not leave in order; it was last alive {ago}"]
    place = f"round {beat.round}, " if beat.round is not None else ""
    doing = f"{place}{beat.stage} {beat.done:,}/{beat.total:,}"
    speed = f"{beat.tokens_per_second:,.0f} tok/s"
    lines = [f"heartbeat {ago}: {doing}, {speed}; last progress {_span(beat.standstill)} ago"]
    if beat.silence > SILENT:
        lines.append(f"warning: {who} hangs, or its machine is gone: no heartbeat since {beat.at}")
    elif beat.standstill > SILENT:
        lines.append("warning: the process lives and has made no progress for long")
    return lines


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def review_line(found: Standing) -> str:
    """What the monitors saw and what became of the rubric, in a line."""
    kept = {"accepted": "adopted", "rejected": "rejected", "none": "without a change"}
    reviews = ", ".join(f"{found.reviews[o]} {w}" for o, w in kept.items() if o in found.reviews)
    parts = [f"{found.alarms:,} alarms", f"{sum(found.reviews.values())} reviews"]
    parts[1] += f" ({reviews})" * bool(reviews)
    version = f"; rubric version {found.rubric} is in force" if found.rubric is not None else ""
    return f"{', '.join(parts)}{version}: selfplay reviews {quote(str(found.directory))}"


def _shares(found: Standing) -> str:
    total = sum(found.seconds.values()) or 1.0
    ordered = sorted(found.seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{stage} {seconds / total:.0%}" for stage, seconds in ordered[:4])


def gain_lines(found: Standing) -> list[str]:
    """A small table: held-out accuracy before and after."""
    gains = found.gains
    if not gains:
        return []
    lines = ["", f"{'held-out accuracy':<18}{'before':>8}{'after':>8}{'gain':>8}"]
    ceiling = any(gain.closed is not None for gain in gains)
    if ceiling:
        lines[1] += f"{'ceiling':>9}{'closed':>8}"
    for gain in gains:
        line = f"{gain.asked:<18}{gain.before:>8.3f}{gain.after:>8.3f}"
        line += f"{gain.after - gain.before:>+8.3f}"
        if gain.closed is not None:
            line += f"{gain.ceiling:>9.3f}{gain.closed:>8.0%}"
        lines.append(line)
    if ceiling:
        lines.append(
            "ceiling: the same model trained supervised on right solutions over the whole range; "
            "closed: the share of the way there"
        )
    return lines


def _further(found: Standing) -> str:
    """The override under which a finished run goes on."""
    if found.ending is None or found.round >= found.rounds:
        return f"rounds={found.rounds * 2 or 10}"
    budgets = {"tokens": "token_budget", "hours": "hour_budget", "money": "money_budget"}
    budget = budgets.get(found.ending.cause)
    return f"{budget}=… (a larger one)" if budget else "stop=[]"


def next_step(found: Standing) -> str:
    """The command that a user in this state most likely wants."""
    place = quote(str(found.directory))
    if found.state == "finished":
        return (
            f"selfplay export {place} prompts.jsonl, or go on: "
            f"selfplay run {place} {_further(found)}"
        )
    if found.state == "running":
        return f"selfplay status {place} again, or Ctrl-C in its terminal to stop it"
    return f"selfplay run {place}   goes on where it stopped"
