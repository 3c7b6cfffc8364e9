"""`selfplay rlaif`: feedback from models, as files that `selfplay train` learns from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli.output import say, say_json

if TYPE_CHECKING:
    from selfplay.offline.rlaif.writing import Done, Made

rlaif = typer.Typer(
    help="Feedback from models: revised answers, labelled comparisons, judged judgements.",
    no_args_is_help=True,
)

Overrides = Annotated[
    list[str] | None, typer.Argument(help="key=value, for example sampling.max_new_tokens=256.")
]
Model = Annotated[str | None, typer.Option(help="A model directory or hub name.")]
Source = Annotated[Path | None, typer.Option("--config", help="A YAML file.")]
Json = Annotated[bool, typer.Option("--json", help="What was made as one JSON object.")]

LINES = 20
"""About how many lines of progress there are."""


@rlaif.command()
def revise(
    prompts: Annotated[Path, typer.Argument(help="A file of prompts.")],
    overrides: Overrides = None,
    model: Model = None,
    constitution: Annotated[
        str | None, typer.Option(help="A YAML file, or one that ships: plain.")
    ] = None,
    out: Annotated[Path, typer.Option(help="A directory.")] = Path("runs/revised"),
    source: Source = None,
    as_json: Json = False,
) -> None:
    """Have a model answer prompts, criticise its answers under principles, and revise them.

    The same command goes on with what is in --out.
    """
    say("loading the libraries and the model …", err=True)
    from selfplay.offline.rlaif.revise import revise as work

    changes = ["model=transformers", f"model.path={json.dumps(model)}"] if model else []
    changes += [f"constitution={json.dumps(constitution)}"] if constitution else []
    changes += overrides or []
    _tell(_carried_out(out, lambda watch: work(prompts, out, changes, source, watch)), as_json)


@rlaif.command()
def label(
    data: Annotated[Path, typer.Argument(help="Recorded responses, several to each prompt.")],
    overrides: Overrides = None,
    model: Model = None,
    principles: Annotated[
        str | None, typer.Option(help="A constitution: a YAML file, or one that ships: plain.")
    ] = None,
    out: Annotated[Path, typer.Option(help="A directory.")] = Path("runs/labels"),
    source: Source = None,
    as_json: Json = False,
) -> None:
    """Have a model compare recorded responses, in both orders, into soft preference labels.

    The same command goes on with what is in --out.
    """
    say("loading the libraries and the model …", err=True)
    from selfplay.offline.rlaif.label import label as work

    changes = _judging_model(model)
    changes += [f"judge.principles={json.dumps(principles)}"] if principles else []
    changes += overrides or []
    _tell(_carried_out(out, lambda watch: work(data, out, changes, source, watch)), as_json)


@rlaif.command()
def judgements(
    data: Annotated[Path, typer.Argument(help="Recorded responses, several to each prompt.")],
    overrides: Overrides = None,
    model: Model = None,
    rubric: Annotated[
        str | None, typer.Option(help="The rubric's YAML file; a model scores all its criteria.")
    ] = None,
    out: Annotated[Path, typer.Option(help="A directory.")] = Path("runs/judgements"),
    source: Source = None,
    as_json: Json = False,
) -> None:
    """Have a model judge responses several times, and judge the judgements (meta-rewarding).

    The same command goes on with what is in --out.
    """
    say("loading the libraries and the model …", err=True)
    from selfplay.offline.rlaif.rewarded import judge_judgements

    changes = _judging_model(model)
    changes += [f"rubric={json.dumps(rubric)}"] if rubric else []
    changes += overrides or []
    made = _carried_out(out, lambda watch: judge_judgements(data, out, changes, source, watch))
    if made.warning:
        say(f"warning: {made.warning}", err=True)
    _tell(made, as_json)


def _judging_model(model: str | None) -> list[str]:
    if not model:
        return []
    return ["judge.model=transformers", f"judge.model.path={json.dumps(model)}"]


def _carried_out(out: Path, work: Callable[[Callable[[Done], None]], Made]) -> Made:
    """What was made; says how far the work has come, and ends the command if interrupted."""
    from selfplay.process.signals import Interruption, LeavingError

    told = -1

    def watch(done: Done) -> None:
        nonlocal told
        step = done.done * LINES // max(1, done.total)
        if step > told or done.done == done.total:
            say(f"{done.done:,} of {done.total:,} prompts", err=True)
            told = step
        if done.done < done.total:
            interruption.leave_if_requested()

    with Interruption() as interruption:
        try:
            return work(watch)
        except LeavingError:
            say(f"interrupted; the same command goes on from {out}", err=True)
            raise typer.Exit(130) from None


def _tell(made: Made, as_json: bool) -> None:
    """What was made, what is missing and why, and what to do next."""
    from selfplay.offline.rlaif.writing import MISSING

    if as_json:
        say_json(json.dumps(made.as_dict()))
        return
    say(f"\n{made.count:,} rows of {made.items:,} prompts: {made.rows}")
    if made.missing:
        say(f"{sum(made.missing.values()):,} missing: {made.rows.parent / MISSING}")
        for reason, count in made.missing.items():
            say(f"{count:>8,}  {reason}")
    if made.count:
        say(f"\nnext: {made.use}")
    else:
        say("\nnothing was made; the reasons above say what to change")
