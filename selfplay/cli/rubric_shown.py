"""How `selfplay rubric` lays out versions, scores and what the gate says."""

from __future__ import annotations

import numpy as np

from meta.acceptance.decision import Decision
from meta.acceptance.intervals import Interval
from selfplay.cli.layout import excerpt, new_console, new_grid, new_table, number, plain
from selfplay.review.rubrics import RubricHistory
from selfplay.review.trial import Scores, Trial

PROMPTS = 20
"""Prompts that are listed; the others are in the figures and, with --json, in the output."""


def show_history(history: RubricHistory) -> None:
    """Prints a run's rubric versions."""
    console = new_console()
    table = new_table("", ["version", "standing"], ["from", "round", "criteria"])
    reasons = new_grid(2)
    for entry in history.versions():
        found = history.rubric(entry.version)
        count = str(len(found.default.criteria))
        count += f" +{len(found.by_cluster)} clusters" * bool(found.by_cluster)
        parent = "" if entry.parent is None else str(entry.parent)
        standing = history.standing(entry.version)
        table.add_row(str(entry.version), standing, parent, str(entry.round), count)
        reasons.add_row(str(entry.version), plain(entry.reason))
    console.print(table)
    console.print()
    console.print(reasons)
    if history.frozen:
        console.print("\nfrozen: no review changes the rubric (selfplay rubric freeze RUN --thaw)")


def show_scores(found: Scores) -> None:
    """Prints a file's responses under a rubric, prompt by prompt and criterion by criterion."""
    console, scores = new_console(), found.scores
    total = sum(len(group.responses) for group in found.groups)
    console.print(
        f"{len(scores):,} of {total:,} responses to {len(found.groups):,} prompts scored"
        + (f", mean {np.mean(scores):.3f}" if scores else "")
    )
    if found.agreement.prompts:
        console.print(f"pairwise accuracy against the file's rewards: {spread(found.agreement)}")
    criteria = new_table("criteria", ["id"], ["mean"])
    for name, mean in found.criteria().items():
        criteria.add_row(name, number(mean))
    console.print(criteria)
    prompts = new_table("prompts", ["prompt"], ["n", "lowest", "mean", "highest"])
    for group in found.groups[:PROMPTS]:
        known = group.rewards[np.isfinite(group.rewards)]
        figures = [float(f(known)) for f in (np.min, np.mean, np.max)] if known.size else [None] * 3
        row = [str(known.size), *(number(figure) for figure in figures)]
        prompts.add_row(excerpt(group.prompt.text), *row)
    console.print(prompts)
    for reason in sorted({v.reason for group in found.groups for v in group.verdicts} - {""}):
        console.print(plain(f"not scored: {reason}"))


def show_trial(trial: Trial) -> None:
    """Prints a rubric's accuracy on anchors, and what the gate says."""
    console = new_console()
    table = new_table("pairwise accuracy on the core", ["part"], ["accuracy", "prompts"])
    for name, found in trial.accuracy.items():
        table.add_row(name, spread(found), f"{found.prompts:,}")
    console.print(table)
    if trial.decision is not None:
        console.print()
        for line in decision_lines(trial.decision):
            console.print(plain(line))


def decision_lines(decision: Decision) -> list[str]:
    """The gate's decision with its reasons and figures."""
    lines = ["the gate accepts" if decision.accepted else "the gate refuses"]
    lines += [f"- {reason}" for reason in decision.reasons]
    for name, compared in (("core", decision.core), ("suspects", decision.suspects)):
        if compared is not None:
            lines.append(f"{name}: {compared.words()}")
    lines += [
        f"exploit '{rank.name}': preferred to {rank.rank:.0%} of the best, without it "
        f"{rank.plain:.0%} ({rank.prompts} prompts)"
        for rank in decision.exploits
        if rank.prompts
    ]
    return lines


def spread(found: Interval) -> str:
    """Mean and interval."""
    if np.isnan(found.low):
        return number(found.mean)
    return f"{number(found.mean)} ({number(found.low)} to {number(found.high)})"
