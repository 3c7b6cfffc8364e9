"""How commands print JSON: one object, with null for what is not a number."""

from __future__ import annotations

import json
from typing import Any

from selfplay.cli.output import say_json
from selfplay.cli.streams import takes_unicode
from selfplay.core.json_text import without_nan


def print_json(found: dict[str, Any]) -> None:
    """Prints plain data as one JSON object."""
    say_json(json.dumps(without_nan(found), indent=1, ensure_ascii=not takes_unicode()))
