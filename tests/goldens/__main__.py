"""Records the goldens; what changes in them is to be explained in the commit that changes them.

`python -m tests.goldens` records anew what is said and computed; the run directories, which stand
for those that users have, only with `runs`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.goldens.made import HERE, RUNS, configurations, environment, fingerprints
from tests.goldens.recorded import MADE, SAID, packed, said_of

T = TypeVar("T")


def main() -> None:
    """Writes all of them."""
    if "runs" in sys.argv[1:]:
        for name in MADE:
            aside(name, packed)
    write("fingerprints.json", fingerprints())
    for name, text in configurations().items():
        (HERE / "configurations" / f"{name}.txt").write_text(text, encoding="utf-8")
    digests = {
        name: aside(name, lambda _, place, run=run: run(place)) for name, run in RUNS.items()
    }
    write("digests.json", {"environment": environment(), "digests": digests})
    SAID.mkdir(exist_ok=True)
    for name in MADE:
        write(f"said/{name}.json", aside(name, said_of))


def aside(name: str, make: Callable[[str, Path], T]) -> T:
    """What is made of a name in a folder that is left behind empty."""
    print(f"goldens: {name}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as place:
        return make(name, Path(place))


def write(name: str, content: object) -> None:
    """One file, which a person can read the difference of."""
    (HERE / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


main()
