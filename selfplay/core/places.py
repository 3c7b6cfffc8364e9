"""Texts that may be paths."""

from __future__ import annotations

from pathlib import Path


def is_there(place: Path) -> bool:
    """Is it a file or a directory? What no path can be (too long, a zero byte) is none, as is what
    cannot be looked up.
    """
    try:
        return place.exists()
    except (OSError, ValueError):
        return False
