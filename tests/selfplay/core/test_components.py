"""Components chosen by name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from selfplay.core.components import (
    Choice,
    NoOptions,
    Row,
    component,
    components,
    find_row,
    load_attribute,
)
from selfplay.core.errors import ConfigError

TABLE = {"counter": Row("collections:Counter", NoOptions, "counts")}


@dataclass(frozen=True)
class Holder:
    """Fields of both kinds."""

    one: Choice = component("counter", TABLE)
    several: tuple[Choice, ...] = components(("counter",), TABLE)


def test_a_choice_imports_and_calls_its_factory_with_options_and_collaborators() -> None:
    assert Choice("pair", "fractions:Fraction", 6).build(4) == load_attribute("fractions:Fraction")(
        6, 4
    )


def test_fields_carry_their_table_and_say_whether_they_hold_several() -> None:
    one, several = fields(Holder)
    assert one.metadata["table"] is several.metadata["table"] is TABLE
    assert not one.metadata.get("many")
    assert several.metadata["many"]


def test_instances_share_no_default() -> None:
    assert Holder().several is not Holder().several


def test_a_known_name_gives_its_row_without_importing_it() -> None:
    missing = Row("no_such_module_anywhere:X", NoOptions, "never imported")
    assert find_row("x", {"x": missing}, "here") is missing


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"role\.part: no component .*did you mean 'counter'"):
        find_row("contuer", TABLE, "role.part")


def test_a_class_without_options_takes_none() -> None:
    assert find_row("collections:OrderedDict", TABLE, "here") == Row(
        "collections:OrderedDict", NoOptions, "yours"
    )


def test_options_that_are_no_dataclass_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "untyped_options.py").write_text("class Mine:\n    Options = dict\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="Options' to be a dataclass; found <class 'dict'>"):
        find_row("untyped_options:Mine", TABLE, "here")


@pytest.mark.parametrize("path", [":X", ".relative:X", "json:", "a b:c", "json"])
def test_a_malformed_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"expected 'package\.module:Class'"):
        load_attribute(path, "here")
