"""The reference pages are what the code says, and say all of it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from creator.estimators.table import ESTIMATORS
from creator.gates.table import GATES
from creator.operators.table import OPERATORS
from creator.samplers.table import SAMPLERS
from meta.judges.table import JUDGES
from meta.monitors.table import MONITORS
from meta.reviewers.table import REVIEWERS
from selfplay.cli.main import app
from selfplay.config import load_config
from selfplay.config.settings import HELDOUT, PROMPTS
from selfplay.core.components import Table, component
from selfplay.core.errors import ConfigError
from selfplay.reference.configuration import configuration_page, part_of_page, parts, slug
from selfplay.reference.places import flat, places
from selfplay.stopping.table import STOPS
from selfplay.tracking.table import TRACKERS
from solver.objectives.table import OBJECTIVES

PAGES = Path(__file__).resolve().parents[3] / "docs" / "reference"
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| .* \|$", re.MULTILINE)
KINDS = ("plain", "fancy")
SHADES: dict[str, str] = {"light": "as at noon", "dark": "as at night"}


@dataclass(frozen=True)
class Inner:
    """A part."""

    size: int = 1
    """How large | how small."""


@dataclass(frozen=True)
class Wider(Inner):
    """More than it."""

    size: int = 1
    colour: str | None = None


@dataclass(frozen=True)
class Outer:
    """The whole."""

    wide: Wider
    inner: Inner
    parts: tuple[Inner, ...] = ()
    judge: Any = component("verifier", JUDGES)
    kind: str = "plain"
    """One of `KINDS`."""
    shade: str = ""
    """Light by day. One of `SHADES`. Or none."""


def printed(*words: str) -> str:
    return CliRunner().invoke(app, ["reference", *words], catch_exceptions=False).stdout


@pytest.mark.parametrize("name", ["configuration", "commands"])
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert (PAGES / f"{name}.md").read_text(encoding="utf-8") == printed(name), (
        f"stale: run `selfplay reference {name} > docs/reference/{name}.md`"
    )


def test_every_key_and_every_option_is_explained() -> None:
    silent = [line for part in parts() for line in part.text.splitlines() if line.endswith("|  |")]
    assert silent == []


def test_every_key_of_a_run_is_on_the_page() -> None:
    rows = dict(ROW.findall(configuration_page().partition("\n## `selfplay train`\n")[0]))
    chosen = tuple(key for key, kind in rows.items() if "[component]" in kind)
    described = {"coaching.lora": "model.lora", "coaching": "solver"}
    for key in load_config("loophole", []).sources:
        for place, other in described.items():
            key = re.sub(rf"^{place}\.", f"{other}.", key)
        found = re.sub(r"\.\d+", ".N", key)
        of_a_component = found.startswith(tuple(f"{place}." for place in chosen))
        assert found in rows or of_a_component or found.startswith("spaces."), key


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("creator.estimator", ESTIMATORS),
        ("creator.sampler", SAMPLERS),
        ("creator.operators", OPERATORS),
        ("creator.gates", GATES),
        ("solver.objective", OBJECTIVES),
        ("meta.judge", JUDGES),
        ("meta.monitors.watch", MONITORS),
        ("meta.review.reviewer", REVIEWERS),
        ("stop", STOPS),
        ("report_to", TRACKERS),
    ],
)
def test_every_component_of_a_table_is_there_with_its_options(heading: str, table: Table) -> None:
    texts = {part.key: part.text for part in parts()}
    for name, row in table.items():
        shown = {key for key, _ in ROW.findall(texts[f"{heading}.{name}"])}
        assert {place.key for place in flat(row.options, "")} == shown, name


def test_what_two_tables_share_is_described_once() -> None:
    assert PROMPTS.items() < HELDOUT.items()
    keys = [part.key for part in parts()]
    assert "prompts.file" in keys
    assert "evaluation.source.split" in keys
    assert "evaluation.source.file" not in keys
    assert "as for [`prompts`](#prompts)" in part_of_page("evaluation.source")


@pytest.mark.parametrize("name", ["configuration", "commands"])
def test_every_link_within_a_page_leads_to_a_heading_that_there_is_once(name: str) -> None:
    page = printed(name)
    headings = [slug(text) for text in re.findall(r"^#+ (.*)", page, flags=re.MULTILINE)]
    targets = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert targets
    assert {target for target in targets if headings.count(target) != 1} == set()


def test_a_key_shows_its_section_or_its_components() -> None:
    assert part_of_page("solver.length").startswith("### `solver.length`")
    assert part_of_page("solver.length.target") == part_of_page("solver.length")
    assert part_of_page("solver.objective.dpo").startswith("#### dpo")
    assert {"#### verifier", "#### code"} < set(part_of_page("meta.judge").splitlines())


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"found 'solver.epoch'; did you mean 'solver.epochs'"):
        part_of_page("solver.epoch")


def test_a_constant_that_a_text_names_is_spelled_out() -> None:
    texts = {place.key: place.text for place in places(Outer, "")}
    assert texts["kind"] == "`plain`, `fancy`."
    expected = "Light by day. `light`: as at noon; `dark`: as at night. Or none."
    assert texts["shade"] == expected


def test_a_derived_section_comes_after_its_base_and_lists_have_an_index() -> None:
    found = places(Outer, "top")
    assert [place.key for place in found][-1] == "top.wide"
    assert {place.key: place.inside for place in found}["top.parts"] == "top.parts.N"
    assert [place.key for place in flat(Outer, "", {Inner})][-2:] == ["wide.size", "wide.colour"]


def test_every_command_is_there_with_its_options() -> None:
    page = printed("commands")
    commands = vars(get_command(app))["commands"]
    assert {"run", "reference"} < set(commands)
    for name in commands:
        assert f"\n## `selfplay {name}`\n" in page
    assert "\n### `selfplay rubric diff`\n" in page
    assert "| `--layout` | `selfplay`, `trl`, " in page
    assert "`default: tiny`" in page


def test_no_code_within_a_table_needs_a_bar() -> None:
    for page in PAGES.glob("*.md"):
        code = re.findall(r"`[^`\n]*`", page.read_text(encoding="utf-8"))
        assert [text for text in code if "|" in text] == []


def test_the_pages_are_made_without_torch() -> None:
    code = (
        "import sys, selfplay.reference.commands, selfplay.reference.configuration as page;"
        "page.configuration_page(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
