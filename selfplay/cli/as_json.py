"""How commands print JSON: one object, with null for what is not a number."""

from __future__ import annotations

import json
import math
from typing import Any

import typer


def print_json(found: dict[str, Any]) -> None:
    """Prints plain data as one JSON object."""
    typer.echo(json.dumps(without_nan(found), indent=1, ensure_ascii=False))


def without_nan(value: Any) -> Any:
    """The value with null for what is not a number, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: without_nan(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(member) for member in value]
    return None if isinstance(value, float) and math.isnan(value) else value
