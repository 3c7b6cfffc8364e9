"""Parts of a run that are not rows: its rubrics, and a policy version for the next tool."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from selfplay.core.errors import DataError
from selfplay.exports.options import ExportOptions
from selfplay.paths import POLICY
from selfplay.review.rubrics import rubric_history

Part: TypeAlias = Callable[[Path, Path, ExportOptions], tuple[int, str]]
"""Takes the run, where to write and the options; how many there are, and what to do with them."""

_OURS = ("optimizer.safetensors", "heads.safetensors", "average.safetensors", "policy.json")
"""Files of a policy version that only a run reads."""


def export_rubrics(directory: Path, draft: Path, options: ExportOptions) -> tuple[int, str]:
    """Every rubric version as YAML, `in_force.yaml`, and `rubrics.jsonl` with why each came to be.

    Raises:
        DataError: the run has no rubric.
        LedgerError: there is no readable ledger.
    """
    history = rubric_history(directory)
    in_force = history.entry()
    draft.mkdir()
    lines = []
    for entry in history.versions():
        name = f"version-{entry.version}.yaml"
        (draft / name).write_text(entry.text, encoding="utf-8")
        found = {
            "version": entry.version,
            "parent": entry.parent,
            "round": entry.round,
            "standing": history.standing(entry.version),
            "reason": entry.reason,
            "file": name,
        }
        lines.append(json.dumps(found, ensure_ascii=False) + "\n")
    (draft / "in_force.yaml").write_text(in_force.text, encoding="utf-8")
    (draft / "rubrics.jsonl").write_text("".join(lines), encoding="utf-8")
    return len(lines), "meta.rubric={place}/in_force.yaml judges another run by it"


def export_policy(directory: Path, draft: Path, options: ExportOptions) -> tuple[int, str]:
    """A policy version as `from_pretrained` reads it (under LoRA: an adapter), and nothing else.

    Raises:
        DataError: the version is not kept, or the run has kept none.
    """
    kept = sorted(int(p.parent.name) for p in (directory / POLICY).glob("[0-9]*/policy.json"))
    version = max(kept, default=None) if options.version is None else options.version
    if version is None or version not in kept:
        listed = ", ".join(map(str, kept)) or "none"
        wanted = "a policy version" if version is None else f"policy version {version}"
        raise DataError(
            f"expected {wanted} in {directory / POLICY}, found {listed}; give --version one of "
            "these, or keep more of them (save.keep_every)"
        )
    source = directory / POLICY / str(version)
    shutil.copytree(source, draft, ignore=shutil.ignore_patterns(*_OURS))
    return 1, f"AutoModelForCausalLM.from_pretrained('{{place}}') is policy version {version}"


PARTS: Mapping[str, Part] = {"rubrics": export_rubrics, "policy": export_policy}
"""By what is exported."""
