"""The limit of the monitor `saturation`: a judge that was saturated from the start is noticed."""

from __future__ import annotations

import pytest

from meta.monitors.monitors import Monitors, strongest
from meta.monitors.seen import Seen
from meta.monitors.table import MONITORS, MonitorsOptions, SaturationOptions
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from tests.meta.watched import a_round


def watching(limit: float | None, action: str = "pause") -> Monitors:
    options = SaturationOptions(limit=limit, action=action)
    watch = (chosen("saturation", MONITORS, options),)
    return Monitors(MonitorsOptions(watch=watch), ROUNDS.__getitem__, Seed(0))


ROUNDS: dict[int, Seen] = {t: a_round(t, top=0.98) for t in range(1, 7)}


def test_a_drift_alone_never_finds_a_judge_that_was_saturated_from_the_start() -> None:
    monitors = watching(None)
    assert all(not monitors.look(t, seen).alarms for t, seen in ROUNDS.items())


def test_the_limit_asks_for_a_pause_in_the_first_round_and_in_every_other() -> None:
    monitors = watching(0.9)
    for t, seen in ROUNDS.items():
        looked = monitors.look(t, seen)
        (alarm,) = looked.alarms
        assert strongest(looked.alarms) == "pause"
        assert (alarm.round, alarm.reference, alarm.at_limit) == (t, 0.9, True)
        assert alarm.text.startswith("saturation: 0.9")
        assert alarm.text.endswith("(limit 0.9)")
        tops = {(p, g) for p, g in alarm.suspects}
        assert tops
        assert all(seen.groups[p].rewards[g] == 1.0 for p, g in tops)


def test_below_the_limit_nothing_is_said() -> None:
    assert not watching(0.9).look(1, a_round(1, top=0.8)).alarms


def test_with_too_few_prompts_nothing_is_said() -> None:
    assert not watching(0.5).look(1, a_round(1, prompts=4, top=1.0)).alarms


@pytest.mark.parametrize("limit", [0.0, 1.5])
def test_a_limit_that_is_no_share_is_refused(limit: float) -> None:
    with pytest.raises(ConfigError, match="limit"):
        SaturationOptions(limit=limit).check("saturation")
