"""Responses for people to score: a few of each prompt, low, middling and high by the judge.

Scores are compared within a prompt alone, so a sample takes two or three responses to each of its
prompts: one from each third of the responses by reward. Prompts are taken evenly along the order of
their mean reward. Where only suspects are asked for, another response to the same prompt stands
beside them, the one that the judge likes best. The judge's rewards are not written: whoever scores
should not see them.

Left out: choosing what would tell two rubrics apart, and remembering what was sampled before.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfplay.core.csv_text import inert_row
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.places import writing
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt
from selfplay.ledger import Ledger
from selfplay.ledger.reading import decoder
from selfplay.paths import LEDGER
from selfplay.review.feedback.rows import Place
from selfplay.stages.labels import TRAIN

THIRDS = 3


@dataclass(frozen=True)
class Sampled:
    """One response to be scored."""

    place: Place
    prompt: Prompt
    response: str
    alarm: str = ""
    """The monitors that suspect it."""

    def as_row(self) -> dict[str, Any]:
        """A row of a feedback file, its score blank."""
        messages = [[message.role, message.content] for message in self.prompt.messages]
        plain = len(messages) == 1 and messages[0][0] == "user"
        return {
            "at": str(self.place),
            "prompt_id": self.prompt.id,
            "prompt": self.prompt.text if plain else messages,
            "response": self.response,
            **({"alarm": self.alarm} if self.alarm else {}),
            "score": None,
            "scorer": "",
            "note": "",
        }


def sample(
    directory: Path,
    count: int = 60,
    t: int | None = None,
    suspects: bool = False,
    seed: int = 0,
) -> list[Sampled]:
    """Up to `count` responses of a round of the run in `directory`, those of a prompt together.

    Args:
        directory: of the run, which may be playing.
        count: how many at most.
        t: the round; the last one that has judged responses (or, for suspects, alarms) when None.
        suspects: only responses that alarms suspect, and one more beside them.
        seed: of the draw.

    Returns:
        The responses, with where they stand in the run.

    Raises:
        ConfigError: fewer than two are asked for.
        DataError: the round has no judged responses, or no suspects.
        LedgerError: there is no readable ledger.
        ModelError: the run's tokenizer cannot be loaded.
    """
    if count < 2:
        raise ConfigError(f"count: expected 2 or more, to be compared, found {count}")
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        ledger.decode = decoder(directory)
        draw = Seed(ledger.settings.get("seed", 0), ("feedback", seed))
        if suspects:
            return _suspects(ledger, count, t)
        t = _judged_round(ledger) if t is None else t
        return _by_thirds(t, ledger.groups(t, TRAIN), count, draw.at(t))


def _judged_round(ledger: Ledger) -> int:
    return max((t for t, stage in ledger.stages() if stage == "judge"), default=0)


def _by_thirds(t: int, groups: Sequence[Group], count: int, seed: Seed) -> list[Sampled]:
    known = {p: group for p, group in enumerate(groups) if len(_judged(group)) > 1}
    if not known:
        raise DataError(
            f"round {t}: expected prompts with two judged responses or more, found none among "
            f"{len(groups)} groups; name another with --round"
        )
    rng = seed.numpy()
    order = sorted(known, key=lambda p: (float(np.nanmean(known[p].rewards)), p))
    sizes = _sizes(count)[: len(order)]
    found = []
    for i, size in enumerate(sizes):
        p = order[int((i + rng.random()) * len(order) / len(sizes))]
        parts = np.array_split(np.array(_judged(known[p])), size)
        drawn = [int(rng.choice(part)) for part in parts if part.size]
        found += [_sampled(t, p, int(g), known[p]) for g in rng.permutation(drawn)]
    return found


def _sizes(count: int) -> list[int]:
    """How many responses of each prompt: three, and twos where threes do not come out even."""
    threes, rest = divmod(count, THIRDS)
    return [THIRDS] * threes + [2] if rest == 2 else [THIRDS] * (threes - rest) + [2, 2] * rest


def _judged(group: Group) -> list[int]:
    """Positions of the group's different responses whose reward is known, the lowest first."""
    first: dict[str, int] = {}
    for g, verdict in enumerate(group.verdicts):
        if verdict.reward is not None:
            first.setdefault(group.responses[g].text, g)
    return sorted(first.values(), key=lambda g: (group.rewards[g], g))


def _suspects(ledger: Ledger, count: int, t: int | None) -> list[Sampled]:
    alarms = ledger.alarms()
    t = max((alarm.round for alarm in alarms), default=0) if t is None else t
    blamed: dict[int, dict[int, list[str]]] = {}
    for alarm in alarms:
        for p, g in alarm.suspects if alarm.round == t else ():
            blamed.setdefault(p, {}).setdefault(g, []).append(alarm.monitor)
    if not blamed:
        raise DataError(
            f"round {t}: expected alarms that suspect some responses, found none; alarms are "
            "raised by the monitors of a run that reviews its rubric"
        )
    groups, found = ledger.groups(t, TRAIN), list[Sampled]()
    for p in sorted(blamed):
        own = _beside(t, p, groups[p], blamed[p])
        found += own if len(found) + len(own) <= count else []
    return found or _beside(t, min(blamed), groups[min(blamed)], blamed[min(blamed)])[-count:]


def _beside(t: int, p: int, group: Group, blamed: Mapping[int, Sequence[str]]) -> list[Sampled]:
    """The different suspects of a group, and the best of the other responses."""
    first: dict[str, int] = {}
    for g in sorted(blamed):
        first.setdefault(group.responses[g].text, g)
    others = [g for g in _judged(group) if group.responses[g].text not in first]
    suspects = [_sampled(t, p, g, group, ", ".join(blamed[g])) for g in first.values()]
    return suspects + [_sampled(t, p, g, group) for g in others[-1:]]


def _sampled(t: int, p: int, g: int, group: Group, alarm: str = "") -> Sampled:
    return Sampled(Place(t, TRAIN, p, g), group.prompt, group.responses[g].text, alarm)


def write_sample(rows: Sequence[Sampled], path: Path) -> None:
    """Writes the responses with blank scores, as JSON Lines or, by the file's name, as CSV.

    Raises:
        ConfigError: another kind of file.
        DataError: there is a file already, in which somebody may have scored.
        ResourceError: it cannot be written.
    """
    if path.suffix not in (".jsonl", ".csv"):
        raise ConfigError(f"--out: expected a .jsonl or .csv file, found '{path.name}'")
    if path.exists():
        raise DataError(f"{path}: there is such a file, which may hold scores; name another")
    text = (_csv if path.suffix == ".csv" else _jsonl)(rows)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def _jsonl(rows: Sequence[Sampled]) -> str:
    return "".join(json.dumps(row.as_row(), ensure_ascii=False) + "\n" for row in rows)


def _csv(rows: Sequence[Sampled]) -> str:
    """For spreadsheets: the prompt is its text."""
    columns = ("at", "prompt_id", "prompt", "response", "alarm", "score", "scorer", "note")
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(inert_row(row.as_row() | {"prompt": row.prompt.text}))
    return file.getvalue()
