"""What is here, what would fail, and how to mend it: packages, devices, memory, disk."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement

from selfplay.core.errors import ConfigError
from selfplay.paths import TINY

State = Literal["ok", "missing", "note"]

EXTRAS = {
    "vllm": "`vllm serve`, for models behind endpoints; the policy does not use it",
    "ray": "nothing yet: no part uses it",
    "quantized": "4-bit and 8-bit bases under LoRA, on CUDA",
    "embed": "embeddings without a network: similarity gates and diversity",
    "browser": "the tests of report pages, in Chromium",
    "docs": "the documentation as a site",
    "track": "metrics to TensorBoard, W&B and Trackio",
}
"""Extras for users, and what each gives."""

GIB = 2**30
NEEDED_DISK_GIB = 0.5
"""The tiny run's policy versions, ledger and report, with room to spare."""
NEEDED_MEMORY_GIB = 2.0
"""What torch, TRL and the tiny policy take together."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    """`missing` keeps `selfplay run tiny` from working, `note` does not."""
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Examination:
    """Everything that was looked at."""

    findings: tuple[Finding, ...]
    """In the order of the report."""

    @property
    def healthy(self) -> bool:
        """Whether `selfplay run tiny` can work."""
        return all(finding.state != "missing" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"healthy": self.healthy, "findings": [asdict(found) for found in self.findings]}


def examine(folder: Path) -> Examination:
    """Looks at everything that a run would need.

    Args:
        folder: where the run would be.

    Returns:
        What was found, with a remedy for what is missing; nothing is raised for it.
    """
    findings: list[Finding] = [
        *_packages(),
        *_extras(),
        *_machine(),
        _remote_code(),
        _torch(),
        _disk(folder),
        _tiny_policy(),
        _tiny_config(),
    ]
    return Examination(tuple(findings))


def _packages() -> Iterator[Finding]:
    yield Finding("python", "ok", sys.version.split()[0])
    for package in needed_packages():
        if not package.extra:
            yield _package(package)


def _package(package: Needed) -> Finding:
    if package.fits:
        return Finding(package.name, "ok", str(package.found))
    remedy = f"pip install '{package.name}{package.wanted}'"
    if package.found is None:
        return Finding(package.name, "missing", "not installed", remedy)
    detail = f"{package.found}, while {package.wanted} is what the project was run with"
    return Finding(package.name, "note", detail, remedy)


def _extras() -> Iterator[Finding]:
    packages = needed_packages()
    for extra, gives in EXTRAS.items():
        members = [package for package in packages if package.extra == extra]
        if all(package.fits for package in members):
            versions = ", ".join(f"{package.name} {package.found}" for package in members)
            yield Finding(f"extra {extra}", "ok", f"{versions}: {gives}")
        else:
            remedy = f"pip install '{DISTRIBUTION}[{extra}]'"
            yield Finding(f"extra {extra}", "note", f"not installed; would give {gives}", remedy)


def _machine() -> Iterator[Finding]:
    yield Finding("processor", "ok", f"{os.cpu_count()} cores")
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        yield Finding("memory", "note", "this system does not say how much there is")
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    enough = memory >= NEEDED_MEMORY_GIB
    remedy = "" if enough else f"the tiny run takes about {NEEDED_MEMORY_GIB:.0f} GiB"
    yield Finding("memory", "ok" if enough else "note", f"{memory:.1f} GiB", remedy)


def _remote_code() -> Finding:
    detail = "code that comes with a model is never run, and no library may ask at the terminal"
    return Finding("remote code", "ok", detail)


def _torch() -> Finding:
    try:
        import torch
    # A wheel that does not suit the machine fails while it loads its libraries.
    except (ImportError, OSError) as error:
        remedy = "install torch as https://pytorch.org/get-started says"
        return Finding("devices", "missing", f"torch does not import: {error}", remedy)
    if not torch.cuda.is_available():
        return Finding("devices", "ok", "CPU only, which the tiny run is made for")
    names = [
        f"{torch.cuda.get_device_name(index)}, "
        f"{torch.cuda.get_device_properties(index).total_memory / GIB:.0f} GiB"
        for index in range(torch.cuda.device_count())
    ]
    precision = "with bfloat16" if torch.cuda.is_bf16_supported() else "without bfloat16"
    return Finding("devices", "ok", f"CUDA {torch.version.cuda}, {precision}: {'; '.join(names)}")


def _disk(folder: Path) -> Finding:
    if not os.access(folder, os.W_OK):
        remedy = "change to a folder that you may write to"
        return Finding("disk", "missing", f"{folder} is read-only", remedy)
    free = shutil.disk_usage(folder).free / GIB
    detail = f"{free:.1f} GiB free in {folder}"
    if free < NEEDED_DISK_GIB:
        remedy = f"make room: a tiny run takes up to {NEEDED_DISK_GIB} GiB"
        return Finding("disk", "missing", detail, remedy)
    return Finding("disk", "ok", detail)


def _tiny_policy(folder: Path = TINY) -> Finding:
    weights = folder / "model.safetensors"
    parts = [weights, folder / "config.json", folder / "tokenizer.json"]
    absent = [part.name for part in parts if not part.is_file()]
    if absent:
        remedy = "the installation is incomplete: install it again"
        return Finding("tiny policy", "missing", f"{folder} lacks {', '.join(absent)}", remedy)
    size = weights.stat().st_size / 2**20
    return Finding("tiny policy", "ok", f"{size:.1f} MiB in {folder}")


def _tiny_config() -> Finding:
    from selfplay.config import load_config

    try:
        load_config("tiny", [])
    except ConfigError as error:
        remedy = "the installation is incomplete or changed: install it again"
        return Finding("tiny configuration", "missing", str(error), remedy)
    return Finding("tiny configuration", "ok", "loads")


DISTRIBUTION = "selfplay-engine"
CHECKOUT = Path(__file__).parents[2] / "pyproject.toml"


@dataclass(frozen=True)
class Needed:
    """A package that the project, or one of its extras, asks for."""

    name: str
    wanted: str
    """The range of versions, such as `>=2.13,<3`."""
    extra: str
    """The extra that asks for it; empty for the project itself."""
    found: str | None
    """The installed version."""
    fits: bool
    """Whether it is installed, in a version within the range."""


def needed_packages() -> list[Needed]:
    """What the installed distribution, or else the checkout, asks for."""
    return [_look_up(requirement, extra) for requirement, extra in _requirements()]


def _requirements() -> Iterator[tuple[Requirement, str]]:
    if CHECKOUT.is_file():
        project = tomllib.loads(CHECKOUT.read_text(encoding="utf-8"))["project"]
        for line in project["dependencies"]:
            yield Requirement(line), ""
        for extra, lines in project["optional-dependencies"].items():
            for line in lines:
                yield Requirement(line), extra
        return
    known = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    for line in metadata.requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            yield requirement, ""
        else:
            yield from ((requirement, name) for name in known if marker.evaluate({"extra": name}))


def _look_up(requirement: Requirement, extra: str) -> Needed:
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        found = None
    # A local build such as 2.13.0+cpu counts as its version, and a pre-release as a release.
    fits = found is not None and requirement.specifier.contains(found, prereleases=True)
    return Needed(requirement.name, str(requirement.specifier), extra, found, fits)
