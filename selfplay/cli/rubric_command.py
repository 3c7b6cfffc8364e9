"""`selfplay rubric`: a run's rubric versions, and trying a rubric out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli.as_json import print_json
from selfplay.cli.output import say
from selfplay.core.errors import ConfigError

rubric = typer.Typer(
    help="Look at a run's rubrics, go back to an older one, keep one, or try one out.",
    no_args_is_help=True,
)

Run = Annotated[Path, typer.Argument(help="The run directory.")]
Json = Annotated[bool, typer.Option("--json", help="As one JSON object.")]
Reason = Annotated[str, typer.Option(help="Kept with the event.")]


@rubric.command("list")
def list_(directory: Run, as_json: Json = False) -> None:
    """List a run's rubric versions: which is in force, where each comes from and why."""
    from selfplay.review.rubrics import rubric_history

    history = rubric_history(directory)
    if as_json:
        print_json(history.as_dict())
        return
    from selfplay.cli.rubric_shown import show_history

    show_history(history)


@rubric.command()
def show(
    directory: Run,
    version: Annotated[
        int | None, typer.Argument(help="Which; the one in force by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a version of a run's rubric, as YAML that a configuration can name."""
    from selfplay.review.rubrics import rubric_history

    found = rubric_history(directory).described(version)
    if as_json:
        print_json(found)
        return
    say(f"# {found['standing']}; {' '.join(found['reason'].split())}")
    say(found["text"].rstrip("\n"))


@rubric.command()
def diff(
    directory: Run,
    before: Annotated[int, typer.Argument(help="A version.")],
    after: Annotated[
        int | None, typer.Argument(help="Another; the one in force by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what changed from one version of a run's rubric to another."""
    from selfplay.review.rubrics import rubric_history, words_of

    changes = rubric_history(directory).differences(before, after)
    if as_json:
        print_json({name: change.as_dict() for name, change in changes.items()})
        return
    say("\n".join(words_of(changes)) or "the criteria are the same")


@rubric.command()
def rollback(
    directory: Run,
    version: Annotated[
        int | None,
        typer.Argument(help="Which to go back to; what the present one was made from by default."),
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Put an older version in force again; nothing is deleted. The run must not be playing."""
    from selfplay.review.rubrics import rollback as go_back

    entry = go_back(directory, version, reason)
    if as_json:
        print_json(entry._asdict())
        return
    say(f"version {entry.version} is in force: {entry.reason}")


@rubric.command()
def freeze(
    directory: Run,
    thaw: Annotated[bool, typer.Option("--thaw", help="Let reviews change it again.")] = False,
    reason: Reason = "",
) -> None:
    """Keep the rubric as it is: no review adopts another one. The run must not be playing."""
    from selfplay.review.rubrics import freeze as keep
    from selfplay.review.rubrics import rubric_history

    entry = keep(directory, frozen=not thaw, reason=reason)
    state = "reviews may change the rubric" if thaw else "no review changes the rubric"
    version = rubric_history(directory).entry().version
    say(f"{state} (version {version}){'' if entry else '; it was like that already'}")


@rubric.command("test")
def try_out(
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUBRIC", help="A YAML file, one that ships, a run directory, or RUN@VERSION."
        ),
    ],
    responses: Annotated[
        Path | None, typer.Argument(help="Recorded groups to score (JSONL).")
    ] = None,
    layout: Annotated[str, typer.Option(help="Of the recorded groups.")] = "groups",
    anchors: Annotated[
        Path | None,
        typer.Option(help="Trusted responses (JSONL, or a run's own): its pairwise accuracy."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="With --anchors: what the gate says beside this rubric.")
    ] = None,
    judging: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Who reads the rubric: judge=rubric_llm, judge.OPTION=VALUE; repeatable."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a file of responses under a rubric, or ask the gate about it on anchors."""
    if (responses is None) == (anchors is None):
        raise ConfigError("expected a file of responses or --anchors, one of the two")
    if against is not None and anchors is None:
        raise ConfigError("--against needs --anchors, on which the gate compares two rubrics")
    from selfplay.config import load_config
    from selfplay.review.trial import TrialConfig, find_rubric, score_responses, try_on_anchors

    config = load_config(None, judging or [], TrialConfig).config
    found = find_rubric(name)
    if anchors is not None:
        other = None if against is None else find_rubric(against)
        trial = try_on_anchors(found, anchors, other, config=config)
        if as_json:
            print_json(trial.as_dict())
            return
        from selfplay.cli.rubric_shown import show_trial

        show_trial(trial)
    elif responses is not None:
        scores = score_responses(found, responses, layout, config)
        if as_json:
            print_json(scores.as_dict())
            return
        from selfplay.cli.rubric_shown import show_scores

        show_scores(scores)
