"""Which responses are cut from one template.

A response has three marks: its first words, its last words, and its skeleton, which is what it says
beside its prompt's words and beside numbers, so that a template whose slots were filled from the
prompt is still found. It is templated if enough *other prompts* got a response with one of its
marks, among all that are looked at: those of the reference too, so that a way of ending which was
always common does not count as a drift.

Left out: templates with slots in their first and last words that are filled from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meta.monitors.seen import FloatArray, Row, Seen, Statistic, said
from meta.monitors.table import TemplateOptions


def templates(options: TemplateOptions) -> Statistic:
    """1 for a response that shares a mark with responses to enough other prompts."""

    def measure(seen: Seen) -> list[Row]:
        return [
            _filled([marks(r.text, group.prompt.text, options.words) for r in group.responses])
            for group in seen.groups
        ]

    def pooled(rows: Sequence[Row]) -> list[FloatArray]:
        users: dict[tuple[str, ...], int] = {}
        for row in rows:
            for mark in {mark for found in row for mark in found}:
                users[mark] = users.get(mark, 0) + 1
        return [
            np.array([float(any(users[m] > options.prompts for m in own)) for own in row])
            for row in rows
        ]

    return Statistic(measure, "up", pooled=pooled)


def marks(text: str, prompt: str, n: int) -> tuple[tuple[str, ...], ...]:
    """Opening, closing and skeleton; of a text too short for one, those that it has."""
    plain = [word for word in said(text) if not word[0].isdigit()]
    asked = set(said(prompt))
    skeleton = [word for word in plain if word not in asked]
    found = []
    if len(plain) >= n:
        found += [("opening", *plain[:n]), ("closing", *plain[-n:])]
    if len(skeleton) >= n:
        found.append(("skeleton", *skeleton))
    return tuple(found)


def _filled(found: Sequence[tuple[tuple[str, ...], ...]]) -> Row:
    row = np.empty(len(found), dtype=object)
    for g, own in enumerate(found):
        row[g] = own
    return row
