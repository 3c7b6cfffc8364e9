"""A configuration as YAML whose comments say where each value comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

LONGEST_CODE = 60
"""Comments are aligned right of the code, but no further right than this."""


def render(values: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """YAML that loads to `values`, one line per value, with aligned comments.

    Args:
        values: plain data.
        sources: dotted key → where its value comes from.
    """
    lines = list(_mapping_lines(values, sources, "", 0))
    column = min(LONGEST_CODE, max((len(code) for code, source in lines if source), default=0))
    return "".join(
        f"{code:<{column}}  # {source}\n" if source else f"{code}\n" for code, source in lines
    )


Line = tuple[str, str]
"""Code and the source of its value, empty where the line holds no value."""


def _mapping_lines(
    values: Mapping[str, Any], sources: Mapping[str, str], where: str, depth: int
) -> list[Line]:
    lines: list[Line] = []
    for key, item in values.items():
        place = f"{where}.{key}" if where else key
        start = f"{'  ' * depth}{inline(key)}:"
        if place in sources or not item or not isinstance(item, Mapping | list):
            lines.append((f"{start} {inline(item)}", sources.get(place, "")))
        elif isinstance(item, Mapping):
            lines += [(start, ""), *_mapping_lines(item, sources, place, depth + 1)]
        else:
            lines += [(start, ""), *_list_lines(item, sources, place, depth + 1)]
    return lines


def _list_lines(items: list[Any], sources: Mapping[str, str], where: str, depth: int) -> list[Line]:
    lines: list[Line] = []
    for index, item in enumerate(items):
        block = _mapping_lines(item, sources, f"{where}.{index}", depth + 1) or [("{}", "")]
        first_code, first_source = block[0]
        dashed = f"{'  ' * depth}- {first_code.lstrip()}"
        lines += [(dashed, first_source), *block[1:]]
    return lines


def inline(value: Any) -> str:
    """A value as YAML on one line."""
    dumped = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return str(dumped).removesuffix("\n").removesuffix("\n...")
