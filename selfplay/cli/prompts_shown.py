"""How `selfplay prompts` lays out prompts, families and what a search found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from selfplay.analysis.lineage import Family, Found, Member, Statistics, Story
from selfplay.analysis.lineage.stats import Diversity
from selfplay.analysis.lineage.story import Answer, Answered
from selfplay.cli.layout import (
    NONE,
    excerpt,
    new_console,
    new_grid,
    new_table,
    number,
    plain,
    ranges,
)
from selfplay.cli.output import visible
from selfplay.core.types import Estimate, Puzzle

SHORT = 8
"""Digits of an id where it is one of many; `show` takes them."""


def show_story(story: Story) -> None:
    """Prints a prompt's text, birth, estimates and groups."""
    console, prompt = new_console(), story.prompt
    console.print(Text(f"prompt {prompt.id}", style="bold"))
    for message in prompt.messages:
        head = f"{message.role}: " if len(prompt.messages) > 1 else ""
        console.print(Padding(plain(head + message.content), (1, 2, 0, 2)))
    console.print()
    facts = new_grid(2)
    for name, value in _facts(story):
        facts.add_row(plain(name), plain(value))
    console.print(facts)
    if story.estimates:
        console.print(_estimates(story.estimates))
    if story.groups:
        console.print(_groups(story.groups))
    for group in story.groups:
        if group.answers:
            _show_answers(console, group)


def _facts(story: Story) -> Iterable[tuple[str, str]]:
    prompt, lineage = story.prompt, story.prompt.lineage
    yield "task", prompt.task
    if prompt.answer is not None:
        yield "answer", prompt.answer
    if prompt.puzzle is not None:
        yield "puzzle", f"{_levels(prompt.puzzle)}; item {prompt.puzzle.index}"
    for name, value in prompt.extra.items():
        yield name, str(value)
    yield "operator", lineage.operator + (f" by {lineage.model}" if lineage.model else "")
    if lineage.parents:
        yield "parents", ", ".join(_parent(id_, story.strangers) for id_ in lineage.parents)
    born = [f"round {lineage.round}", f"policy {lineage.policy_version}", f"seed {lineage.seed}"]
    born += [f"judging {lineage.fingerprint}"] if lineage.fingerprint else []
    yield "born", ", ".join(born)
    yield "children", f"{len(story.children):,}" if story.children else "none"
    if not story.admitted:
        yield "admitted", "no: only probed, held out, imported or written for the rewriter"
    yield "asked", f"in round {ranges(story.rounds)}" if story.rounds else "in no round"


def _levels(puzzle: Puzzle) -> str:
    return ", ".join(f"{name} {level}" for name, level in puzzle.attributes)


def _parent(id_: str, strangers: frozenset[str]) -> str:
    return f"{id_} (not in this run)" if id_ in strangers else id_


def _estimates(estimates: Sequence[Estimate]) -> Table:
    table = new_table("estimates", ["metric", "judging"], ["round", "value", "n", "policy"])
    for made in estimates:
        table.add_row(
            *(made.metric, made.fingerprint, str(made.round), number(made.value), str(made.n)),
            str(made.policy_version),
        )
    return table


def _groups(groups: Sequence[Answered]) -> Table:
    right = ["round", "policy", "n", "mean", "min", "max", "missing"]
    table = new_table("groups", ["label", "purpose"], right)
    for row in (group.row for group in groups):
        missing = str(row.n - row.rewarded) if row.fingerprint else "unjudged"
        table.add_row(
            *(row.label, row.purpose, str(row.round), str(row.policy_version), str(row.n)),
            *map(number, (row.mean, row.low, row.high)),
            missing,
        )
    return table


def _show_answers(console: Console, group: Answered) -> None:
    row = group.row
    head = f"round {row.round}, {row.label}, policy {row.policy_version}"
    console.print(Text(f"\n{head}", style="bold"))
    table = new_grid(2)
    for answer in group.answers:
        reward = answer.verdict.reward if answer.verdict else None
        table.add_row(number(reward), plain(answer.text))
        table.add_row("", Text(visible(" · ".join(_remarks(answer))), style="dim"))
        for reply in answer.verdict.replies if answer.verdict else ():
            table.add_row("judge", plain(reply))
    console.print(table)


def _remarks(answer: Answer) -> Iterable[str]:
    """What there is to say of a response beside its reward."""
    yield f"{answer.tokens:,} tokens"
    if answer.finish_reason != "stop":
        yield "cut off" if answer.finish_reason == "length" else answer.finish_reason
    if answer.verdict is None:
        yield "unjudged"
        return
    yield from (f"{name} {value:g}" for name, value in answer.verdict.scores.items())
    yield from (f"breaks {name}" for name in answer.verdict.violations)
    if answer.verdict.reward is None:
        yield answer.verdict.reason


def show_family(family: Family) -> None:
    """Prints a tree; a member that is reached again is named and not unfolded again."""
    console = new_console()
    root = family.members[family.root]
    tree = Tree(_line(root))
    seen, stack = {root.id}, [(root, tree)]
    while stack:
        member, branch = stack.pop()
        unfolded = []
        for relative in (family.members[id_] for id_ in member.next):
            if relative.id in seen:
                again = f"{relative.id[:SHORT]}  shown elsewhere in this tree"
                branch.add(Text(again, style="dim"))
            else:
                seen.add(relative.id)
                unfolded.append((relative, branch.add(_line(relative))))
        if member.hidden:
            branch.add(Text(f"… {member.hidden:,} more", style="dim"))
        stack.extend(reversed(unfolded))
    console.print(tree)
    console.print(f"\n{_summary(family)}", style="dim")


def _line(member: Member) -> Text:
    """One line; what does not fit ends in an ellipsis."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(member.id[:SHORT], style="bold")
    if member.prompt is None:
        return line.append("  not in this run")
    if not member.admitted:
        line.append("  not admitted", style="yellow")
    lineage, puzzle = member.prompt.lineage, member.prompt.puzzle
    line.append(f"  {lineage.operator} r{lineage.round}", style="cyan")
    if member.estimate is not None:
        line.append(f"  {number(member.estimate.value)}", style="green")
    if puzzle is not None:
        line.append(f"  {_levels(puzzle)}", style="magenta")
    return line.append(f"  {excerpt(member.prompt.text)}")


def _summary(family: Family) -> str:
    """What the tree's figures are, and whether there is more of it."""
    count = len(family.members) - 1
    made = {m.estimate.metric for m in family.members.values() if m.estimate}
    parts = [f"{f'{count:,}' if count else 'no'} {family.direction}"]
    parts += ["r: round of birth"] if count else []
    parts += [f"figures: newest {' or '.join(sorted(made))}"] if made else []
    parts += ["more with --depth or --limit"] if family.hidden else []
    return "; ".join(parts)


def show_found(found: Found, directory: Path) -> None:
    """Prints a line for each prompt that fits."""
    console = new_console()
    if not found.hits:
        console.print("no prompt fits; fewer words or wider ranges find more")
        return
    table = new_table("", ["id", "operator"], ["round", "value"])
    table.expand = True
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
    for hit in found.hits:
        value = number(hit.estimate.value) if hit.estimate else NONE
        lineage = hit.prompt.lineage
        table.add_row(
            *(hit.prompt.id[:SHORT], lineage.operator, str(lineage.round), value),
            Text(excerpt(hit.prompt.text)),
        )
    console.print(table)
    if found.more:
        console.print(f"the first {len(found.hits):,}; more fit: raise --limit", style="dim")
    if found.scales > 1:
        console.print("values of different metrics or judging are listed: they do not compare")
    first = found.hits[0].prompt.id[:SHORT]
    console.print(f"\nnext: selfplay prompts show {directory} {first}", soft_wrap=True)


REASONS = 3
"""Reasons of rejection that are named for each operator."""


def show_statistics(found: Statistics, rounds: int) -> None:
    """Prints what operators yielded, then tasks, rounds and diversity."""
    console = new_console()
    if found.operators:
        console.print(_operators(found))
        console.print(
            "of the judged children: learnable, some of the first responses succeed and some "
            "fail; solved later, not at first, but in a later round",
            style="dim",
        )
    if found.turned_down:
        console.print(_turned_down(found))
    console.print(_tasks(found))
    if found.rounds:
        console.print(_rounds(found, rounds))
    if found.diversity:
        console.print(_diversity(found.diversity))


def _operators(found: Statistics) -> Table:
    right = ["tried", "admitted", "rejected", "judged", "learnable", "solved later"]
    table = new_table("operators", ["operator"], right)
    for name, made in found.operators.items():
        counts = (made.tried, made.admitted, made.tried - made.admitted, made.judged)
        shares = (_share(count, made.judged) for count in (made.learnable, made.solved_later))
        table.add_row(name, *(f"{n:,}" for n in counts), *shares)
    return table


def _turned_down(found: Statistics) -> Table:
    table = new_table("turned down", ["operator"], ["children"])
    table.add_column("reason", overflow="fold")
    ordered = sorted(found.turned_down, key=lambda turned: turned.operator)
    for operator, rows in groupby(ordered, key=lambda turned: turned.operator):
        reasons = list(rows)
        for turned in reasons[:REASONS]:
            table.add_row(operator, f"{turned.children:,}", plain(turned.reason))
        if rest := reasons[REASONS:]:
            others = f"{len(rest):,} other reason{'s' if len(rest) > 1 else ''}"
            table.add_row(operator, f"{sum(turned.children for turned in rest):,}", others)
    return table


def _tasks(found: Statistics) -> Table:
    table = new_table(
        "tasks", ["task"], ["originals", "held out", "children", "trained on", "reward"]
    )
    for task in found.tasks:
        counts = (task.originals, task.heldout, task.children, task.trained)
        table.add_row(plain(task.task), *(f"{n:,}" for n in counts), number(task.reward))
    return table


def _rounds(found: Statistics, most: int) -> Table:
    shown = found.rounds[-most:] if most else found.rounds
    part = f", the last {len(shown):,} of {len(found.rounds):,}"
    title = "rounds" + (part if len(shown) < len(found.rounds) else "")
    right = ["round", "asked", "born", "rejected", "mean estimate", "reward", "mixed groups"]
    table = new_table(title, [], right)
    for row in shown:
        counts = (row.round, row.asked, row.born, row.rejected)
        table.add_row(*(f"{n:,}" for n in counts), *map(number, (row.value, row.reward, row.mixed)))
    return table


def _diversity(measured: Sequence[Diversity]) -> Table:
    right = ["texts", "distinct-1", "distinct-2", "distinct-3"]
    embedded = any(found.spread is not None for found in measured)
    right += ["clusters", "spread"] if embedded else []
    table = new_table("diversity", ["prompts"], right)
    for found in measured:
        extra = (found.clusters, found.spread) if embedded else ()
        values = map(number, (*found.distinct, *extra))
        table.add_row(found.prompts, f"{found.sample:,}", *values)
    return table


def _share(count: int, of: int) -> str:
    return f"{count / of:.0%}" if of else NONE
