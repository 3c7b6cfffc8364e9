"""`selfplay reviews`: what the monitors saw in a run, and what became of its rubric."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli.as_json import print_json


def reviews(
    directory: Annotated[Path, typer.Argument(help="The run directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """List a run's alarms, the reviews of its rubric with their reasons, and its anchors."""
    from selfplay.review.rubrics import review_history

    history = review_history(directory)
    if as_json:
        print_json(history.as_dict())
        return
    from selfplay.cli.reviews_shown import show_reviews

    show_reviews(history)
