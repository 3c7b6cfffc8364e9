"""`selfplay rlaif`: feedback from models, as files that `selfplay train` learns from."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from selfplay.rlaif.writing import Done, Made

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
    typer.echo("loading the libraries and the model …", err=True)
    from selfplay.config import load_config
    from selfplay.rlaif.config import ReviseConfig
    from selfplay.rlaif.revise import ROWS, revising

    changes = [f"prompts.path={json.dumps(str(prompts))}"]
    changes += [f"model={json.dumps(model)}"] if model else []
    changes += [f"constitution={json.dumps(constitution)}"] if constitution else []
    loaded = load_config(source, [*changes, *(overrides or [])], ReviseConfig)
    _carry_out(revising(loaded, out), out)
    path = getattr(loaded.config.model.options, "path", "") or "DIR"
    _tell(out, ROWS, f"--model {path} --objective sft", as_json)


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
    typer.echo("loading the libraries and the model …", err=True)
    from selfplay.config import load_config
    from selfplay.rlaif.config import LabelConfig
    from selfplay.rlaif.label import ROWS, labelling

    changes = [f"data={json.dumps(str(data))}", *_judging_model(model)]
    changes += [f"judge.principles={json.dumps(principles)}"] if principles else []
    loaded = load_config(source, [*changes, *(overrides or [])], LabelConfig)
    _carry_out(labelling(loaded, out), out)
    _tell(out, ROWS, "--model DIR --objective rm heldout=0.1", as_json)


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
    typer.echo("loading the libraries and the model …", err=True)
    from selfplay.config import load_config
    from selfplay.rlaif.config import RewardedConfig
    from selfplay.rlaif.rewarded import ROWS, SATURATED, judging, share_at_top

    changes = [f"data={json.dumps(str(data))}", *_judging_model(model)]
    changes += [f"rubric={json.dumps(rubric)}"] if rubric else []
    loaded = load_config(source, [*changes, *(overrides or [])], RewardedConfig)
    _carry_out(judging(loaded, out), out)
    path = loaded.config.judge.model.options.path
    share = share_at_top(out)
    if share >= SATURATED:
        typer.echo(
            f"warning: {share:.0%} of the responses have the highest score, so the judge hardly "
            "tells them apart any more: stop here, or take another rubric or judge",
            err=True,
        )
    _tell(out, ROWS, f"--model {path} --objective dpo", as_json)


def _judging_model(model: str | None) -> list[str]:
    if not model:
        return []
    return ["judge.model=transformers", f"judge.model.path={json.dumps(model)}"]


def _carry_out(work: Generator[Done, None, None], out: Path) -> None:
    """Works chunk by chunk and says how far it has come; ends the command if interrupted."""
    from selfplay.signals import Interruption

    told = -1
    with Interruption() as interruption, closing(work):
        for done in work:
            step = done.done * LINES // max(1, done.total)
            if step > told or done.done == done.total:
                typer.echo(f"{done.done:,} of {done.total:,} prompts", err=True)
                told = step
            if interruption.requested and done.done < done.total:
                typer.echo(f"interrupted; the same command goes on from {out}", err=True)
                raise typer.Exit(130)


def _tell(out: Path, name: str, further: str, as_json: bool) -> None:
    """What was made, what is missing and why, and what to do next."""
    from selfplay.rlaif.writing import MISSING, made

    found = made(out, name)
    if as_json:
        typer.echo(json.dumps(_plain(found)))
        return
    typer.echo(f"\n{found.count:,} rows of {found.items:,} prompts: {found.rows}")
    if found.missing:
        typer.echo(f"{sum(found.missing.values()):,} missing: {out / MISSING}")
        for reason, count in found.missing.items():
            typer.echo(f"{count:>8,}  {reason}")
    if found.count:
        typer.echo(f"\nnext: selfplay train {found.rows} {further}")
    else:
        typer.echo("\nnothing was made; the reasons above say what to change")


def _plain(found: Made) -> dict[str, object]:
    return {
        "rows": str(found.rows),
        "count": found.count,
        "missing": dict(found.missing),
        "prompts": found.items,
    }
