"""`selfplay report`: a run as one HTML page, written to a file or served while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli.output import say


def report(
    directory: Annotated[Path, typer.Argument(help="The run directory.")],
    out: Annotated[
        Path | None, typer.Option(help="The HTML file; report.html in the run if not given.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Follow the run at a local address instead.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="With --serve; 0: a free one.")
    ] = 8765,
    megabytes: Annotated[
        float, typer.Option(help="Of prompts and responses that the page holds, 16 at most.")
    ] = 8.0,
    success: Annotated[
        float, typer.Option(help="The lowest reward of a success, as a share of the judge's scale.")
    ] = 0.5,
    embedder: Annotated[
        str, typer.Option(help="A sentence-transformers model for the map; packaged, or none.")
    ] = "packaged",
) -> None:
    """Write a run as one HTML page that works offline, or follow a live run with --serve."""
    from selfplay.report import ReportOptions, report_server, write_report

    options = ReportOptions(megabytes, success, None if embedder == "none" else embedder)
    if not serve:
        path = write_report(directory, out, options)
        say(f"{path}: {path.stat().st_size / 1e6:.1f} MB; open it in a browser")
        return
    with report_server(directory, port, options) as server:
        say(f"{server.url} follows {directory}; Ctrl-C ends this, not the run")
        server.serve_forever()
