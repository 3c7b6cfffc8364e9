"""`selfplay estimate`: ranks recorded groups by informativeness, without a run or a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli.output import say, say_json


def estimate(
    path: Annotated[Path, typer.Argument(help="Recorded groups (JSONL).")],
    layout: Annotated[
        str, typer.Option(help="groups, or gsm8k_solutions for GSM8K's recorded answers.")
    ] = "groups",
    top: Annotated[int, typer.Option(help="Prompts to print per metric.")] = 10,
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every prompt, as JSON Lines.")] = False,
) -> None:
    """Rank recorded prompts by how informative they are; say where ties are.

    Ranks by every metric that reads rewards alone, or by those named with --metric.
    """
    from selfplay.analysis.ranking import rank_file
    from selfplay.cli.run_command import tell
    from selfplay.core.notices import heard_by

    with heard_by(tell):
        rankings = rank_file(path, layout, metric)
    for ranking in rankings:
        if as_json:
            for place in ranking.places:
                say_json(json.dumps(place.as_dict(ranking.metric)))
            continue
        say(f"\n{ranking.metric}: {ranking.describe()}")
        for place in ranking.places[:top]:
            tied = f"={place.rank}" if place.tied > 1 else str(place.rank)
            say(f"{tied:>6}  {place.value:.4g}  {place.excerpt}")
