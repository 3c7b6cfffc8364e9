"""The `selfplay` command, and the one place that catches errors.

An error that the program raises on purpose is printed as one message, and its `exit_code` is the
process's. Anything else is a bug and shows its traceback. No command asks anything, and no library
can: standard input is at its end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from selfplay.cli.ablate_command import ablate
from selfplay.cli.anchors_command import anchors
from selfplay.cli.compare_command import compare
from selfplay.cli.config_command import show_config
from selfplay.cli.costs_command import costs
from selfplay.cli.credit_command import credit
from selfplay.cli.digest_command import digest
from selfplay.cli.doctor_command import doctor
from selfplay.cli.entrance import Entrance
from selfplay.cli.estimate_command import estimate
from selfplay.cli.evaluate_command import evaluate
from selfplay.cli.export_command import export
from selfplay.cli.feedback_command import feedback
from selfplay.cli.fork_command import fork
from selfplay.cli.prompts_command import prompts
from selfplay.cli.reference_command import reference
from selfplay.cli.replay_command import replay
from selfplay.cli.report_command import report
from selfplay.cli.reviews_command import reviews
from selfplay.cli.rlaif_command import rlaif
from selfplay.cli.rubric_command import rubric
from selfplay.cli.run_command import run, tell
from selfplay.cli.status import status
from selfplay.cli.streams import complain, guarded_streams
from selfplay.cli.train_command import train
from selfplay.core.errors import SelfplayError
from selfplay.core.models.library import nobody_to_ask
from selfplay.core.notices import heard_by

INTERRUPTED = 130
"""The exit code that shells use for a program ended by Ctrl-C."""

COMMANDS: dict[str, Callable[..., Any]] = {
    "run": run,
    "train": train,
    "status": status,
    "fork": fork,
    "evaluate": evaluate,
    "estimate": estimate,
    "replay": replay,
    "report": report,
    "compare": compare,
    "reviews": reviews,
    "credit": credit,
    "costs": costs,
    "export": export,
    "ablate": ablate,
    "digest": digest,
    "config": show_config,
    "reference": reference,
    "doctor": doctor,
}

app = typer.Typer(
    cls=Entrance,
    help="Open-ended self-play curricula for post-training language models.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def listen(context: typer.Context) -> None:
    """Tells what comes up while a command is at work: notes, and what is waited for."""
    context.with_resource(heard_by(tell))


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(prompts, name="prompts")
app.add_typer(rubric, name="rubric")
app.add_typer(anchors, name="anchors")
app.add_typer(feedback, name="feedback")
app.add_typer(rlaif, name="rlaif")


def main() -> None:
    """Runs the command line; the console script."""
    try:
        with guarded_streams(), nobody_to_ask():
            app()
    except SelfplayError as error:
        complain(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
