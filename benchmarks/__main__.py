"""`python -m benchmarks`: lists, runs and renders the benchmarks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks import render, runner
from selfplay.core.errors import nearest


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmarks that `arguments` name and records each as it ends."""
    known = runner.names()
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no benchmark is called '{unknown[0]}'; {nearest(unknown[0], known)}")
    if not (options.names or options.all or options.list or options.render):
        parser.error("expected names of benchmarks, --all, --list or --render")
    if options.list:
        print("\n".join(f"{name:<24} {summary}" for name, summary in known.items()))
    for name in known if options.all else options.names:
        print(f"{name}: measuring", flush=True)
        print(f"{name}: wrote {runner.record(name, runner.run(name))}", flush=True)
    if options.render:
        render.PAGE.write_text(render.render(), encoding="utf-8")
        print(f"wrote {render.PAGE}")


def _parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run")
    parser.add_argument("--all", action="store_true", help="run every benchmark")
    parser.add_argument("--list", action="store_true", help="name every benchmark")
    parser.add_argument("--render", action="store_true", help="write docs/results.md")
    return parser


if __name__ == "__main__":
    main()
