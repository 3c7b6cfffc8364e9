"""Records the goldens; what changes in them is to be explained in the commit that changes them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.goldens.made import HERE, RUNS, configurations, environment, fingerprints


def main() -> None:
    """Writes all of them."""
    write("fingerprints.json", fingerprints())
    for name, text in configurations().items():
        (HERE / "configurations" / f"{name}.txt").write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        digests = {}
        for name, run in RUNS.items():
            (Path(place) / name).mkdir()
            digests[name] = run(Path(place) / name)
    write("digests.json", {"environment": environment(), "digests": digests})


def write(name: str, content: object) -> None:
    """One file, which a person can read the difference of."""
    (HERE / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


main()
