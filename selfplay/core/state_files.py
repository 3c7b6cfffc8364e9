"""Small JSON files that work keeps beside its results, so that the same command goes on.

They are written whole or not at all; one that is damaged is an error that names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfplay.core.errors import LedgerError
from selfplay.core.guard import said


def read_state(path: Path, *keys: str) -> dict[str, Any]:
    """What was written.

    Args:
        path: of a file that is there.
        keys: that it has to have.

    Raises:
        LedgerError: it is damaged, or cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        lacking = [key for key in keys if key not in found] if isinstance(found, dict) else keys
        if not isinstance(found, dict) or lacking:
            raise ValueError(f"no object with {', '.join(lacking) or 'keys'}")
    except (OSError, ValueError, RecursionError) as error:
        raise LedgerError(
            f"{path}: expected what an earlier process left to go on from, found {said(error)}: "
            "the file is damaged. Restore it from a copy, or begin anew in another directory"
        ) from error
    return found


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Replaces the file as a whole. Raises OSError as writing does."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
