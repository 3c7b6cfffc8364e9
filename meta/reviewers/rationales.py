"""What a judging model wrote about each response, as a reviewer is shown it."""

from __future__ import annotations

from collections.abc import Sequence

from meta.judges.llm.reading import Reading


def rationales(rows: Sequence[Sequence[Sequence[Reading]]]) -> tuple[tuple[str, ...], ...]:
    """For each group, for each response, a line for each criterion and vote; the field of evidence.

    Args:
        rows: from `RubricLLM.explain`.
    """
    return tuple(tuple(map(_written, row)) for row in rows)


def _written(votes: Sequence[Reading]) -> str:
    return "\n".join(
        f"{name} ({vote.values[name]:g}): {rationale}"
        for vote in votes
        for name, rationale in vote.rationales.items()
    )
