"""The monitors of a run: when they alarm, whom they suspect, what they remember."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

from meta.monitors.alarms import Looked, Suspect
from meta.monitors.monitors import Monitors, strongest
from meta.monitors.seen import Seen
from meta.monitors.table import ACTIONS, MONITORS, MonitorOptions, MonitorsOptions
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError
from selfplay.core.seeding import Seed
from tests.meta.watched import a_round, group, watching, with_texts

SEED = Seed(5)
REPLY = "this is what one always says in reply to any question of that kind"


def run(
    options: MonitorsOptions, rounds: dict[int, Seen], history: Callable[[int], Seen] | None = None
) -> dict[int, Looked]:
    """What is seen in each round by one who was there from the start."""
    monitors = Monitors(options, history or rounds.__getitem__, SEED)
    return {t: monitors.look(t, seen) for t, seen in rounds.items()}


def planted_from(t: int, last: int, share: float) -> tuple[dict[int, Seen], set[tuple[int, int]]]:
    rounds = {r: a_round(r) for r in range(1, last + 1)}
    planted: set[tuple[int, int]] = set()
    for r in range(t, last + 1):
        rounds[r], planted = with_texts(rounds[r], share, lambda text, prompt: REPLY)
    return rounds, planted


def test_an_alarm_names_statistic_size_round_and_suspects() -> None:
    rounds, planted = planted_from(7, 7, 0.2)
    looked = run(MonitorsOptions(), rounds)
    assert [looked[t].alarms for t in range(1, 7)] == [[]] * 6
    alarm = next(a for a in looked[7].alarms if a.monitor == "templates")
    assert (alarm.round, alarm.action, alarm.reference) == (7, "review", 0.0)
    assert alarm.size == pytest.approx(len(planted) / 96)
    assert alarm.p <= alarm.level == MonitorsOptions().level
    assert set(alarm.suspects) == planted
    assert "templates: 0." in alarm.text
    assert "round 7" in alarm.text


def test_suspects_are_given_as_positions_in_each_group() -> None:
    rounds, planted = planted_from(6, 6, 0.2)
    alarm = next(a for a in run(watching("templates"), rounds)[6].alarms)
    positions = alarm.positions(24)
    assert {(p, g) for p, own in enumerate(positions) for g in own} == planted
    assert len(positions) == 24


def test_no_more_suspects_are_named_than_asked_for_and_the_furthest_out_come_first() -> None:
    rounds = {r: a_round(r) for r in range(1, 6)}
    long = [("x " * (100 + p)) for p in range(24)]
    groups = [
        replace(g, responses=(replace(g.responses[0], text=text), *g.responses[1:]))
        for g, text in zip(rounds[5].groups, long, strict=True)
    ]
    rounds[5] = replace(rounds[5], groups=groups)
    (alarm,) = run(watching("characters", suspects=5), rounds)[5].alarms
    assert alarm.suspects == tuple(Suspect(p, 0) for p in (23, 22, 21, 20, 19))


def test_a_share_too_small_for_one_round_is_found_over_several() -> None:
    rounds, planted = planted_from(5, 8, 0.03)
    assert 0 < len(planted) <= 5
    one, several = (watching("templates", spans=s, budget=0.01) for s in ((1,), (1, 4)))
    assert not any(found.alarms for found in run(one, rounds).values())
    (alarm,) = run(several, rounds)[8].alarms
    assert (alarm.span, alarm.round) == (4, 8)
    assert "rounds 5 to 8" in alarm.text
    assert set(alarm.suspects) == planted


def test_while_nothing_changes_the_budget_of_false_alarms_is_kept() -> None:
    # Eight runs of 26 rounds with a budget of 20 alarms in 100 rounds: 42 expected at the most.
    names = [name for name in MONITORS if name != "tokens"]
    options = watching(*names, budget=20.0)
    options = replace(
        options,
        watch=tuple(chosen(c.name, MONITORS, replace(c.options, least=0.0)) for c in options.watch),
    )
    alarms = looks = 0
    for i in range(8):
        found = run(options, {r: a_round(1000 * i + r, prompts=12) for r in range(1, 31)})
        alarms += sum(len(f.alarms) for f in found.values())
        looks += 26
    assert 0 < alarms <= 0.2 * looks + 3 * np.sqrt(0.2 * looks)


def test_who_goes_on_sees_what_one_sees_who_was_there_from_the_start() -> None:
    rounds, _ = planted_from(8, 12, 0.1)
    whole = run(MonitorsOptions(), rounds)
    for t in (5, 9, 12):
        assert Monitors(MonitorsOptions(), rounds.__getitem__, SEED).look(t, rounds[t]) == whole[t]


def test_looking_twice_changes_nothing() -> None:
    rounds, _ = planted_from(6, 8, 0.2)
    monitors = Monitors(MonitorsOptions(), rounds.__getitem__, SEED)
    found = [monitors.look(7, rounds[7]), monitors.look(8, rounds[8]), monitors.look(7, rounds[7])]
    assert found[0] == found[2]


def test_earlier_rounds_are_read_only_as_far_as_they_are_needed() -> None:
    rounds = {r: a_round(r) for r in range(1, 31)}
    asked: list[int] = []

    def history(r: int) -> Seen:
        asked.append(r)
        return rounds[r]

    monitors = Monitors(MonitorsOptions(), history, SEED)
    monitors.look(30, rounds[30])
    assert sorted(set(asked)) == [1, 2, 3, 4, 27, 28, 29]


def test_there_is_no_alarm_in_the_rounds_of_the_reference() -> None:
    rounds, _ = planted_from(3, 4, 0.9)
    assert all(not found.alarms for found in run(MonitorsOptions(), rounds).values())


def test_after_a_change_of_rubric_scores_get_a_new_reference_and_texts_keep_theirs() -> None:
    rounds = {r: a_round(r, wrong=0.0) for r in range(1, 7)}
    for r in range(7, 13):
        rounds[r] = a_round(r, wrong=0.4, fingerprint="two")
    rounds[8], _ = with_texts(rounds[8], 0.5, lambda text, prompt: REPLY)
    found = run(watching("gap", "disagreement", "templates"), rounds)
    alarms = {t: [a.monitor for a in looked.alarms] for t, looked in found.items()}
    assert alarms[8] == ["templates"], "the judge is another, its disagreement is no drift"
    again = {**rounds, 12: a_round(12, wrong=0.9, fingerprint="two")}
    drifted = [a.monitor for a in run(watching("disagreement"), again)[12].alarms]
    assert drifted == ["disagreement"], "under the new rubric it drifts from rounds 7 to 10"


def of_two_clusters(t: int, wrong: tuple[float, float], judged: tuple[str, str]) -> Seen:
    parts = [a_round(t, 24, wrong=wrong[i], fingerprint=judged[i]) for i in (0, 1)]
    return replace(
        parts[0],
        groups=[*parts[0].groups, *parts[1].groups],
        trusted=[*parts[0].trusted, *parts[1].trusted],
    )


@pytest.mark.parametrize("changed", [0, 1])
@pytest.mark.parametrize("monitor", ["disagreement", "gap"])
def test_a_change_of_one_clusters_rubric_leaves_the_other_clusters_scores_comparable(
    changed: int, monitor: str
) -> None:
    judged = ("first", "second")
    after = tuple("new" if i == changed else judged[i] for i in (0, 1))
    new, kept = (0.9, 0.0) if changed == 0 else (0.0, 0.9), (0.0, 0.9) if changed == 0 else (0.9, 0)
    rounds = {r: of_two_clusters(r, (0.0, 0.0), judged) for r in range(1, 7)}
    rounds[7] = of_two_clusters(7, new, (after[0], after[1]))
    assert not run(watching(monitor), rounds)[7].alarms, "another judge is no drift"
    rounds[7] = of_two_clusters(7, kept, (after[0], after[1]))
    (alarm,) = run(watching("disagreement"), rounds)[7].alarms
    others = range(24, 48) if changed == 0 else range(24)
    assert {suspect.group for suspect in alarm.suspects} <= set(others)


def test_anchors_take_the_place_of_the_first_rounds() -> None:
    rounds, _ = planted_from(1, 2, 0.4)
    monitors = Monitors(watching("templates"), rounds.__getitem__, SEED)
    assert not monitors.look(2, rounds[2]).alarms
    assert monitors.look(2, rounds[2], anchors=a_round(99, prompts=96)).alarms


def test_a_new_reference_begins_where_it_is_told_to() -> None:
    rounds, _ = planted_from(5, 12, 0.3)
    monitors = Monitors(watching("templates"), rounds.__getitem__, SEED)
    assert monitors.look(12, rounds[12]).alarms
    assert not monitors.look(12, rounds[12], since=6).alarms


def test_a_judge_taken_in_by_more_and_more_is_noticed_by_gap_and_disagreement() -> None:
    rounds = {r: a_round(r, wrong=0.05) for r in range(1, 7)}
    fooled = a_round(6, top=0.5, wrong=0.0)
    rewards = [
        replace(g, verdicts=tuple(replace(v, reward=1.0) for v in g.verdicts))
        for g in fooled.groups
    ]
    rounds[6] = replace(fooled, groups=rewards)
    found = run(watching("saturation", "entropy", "gap", "disagreement"), rounds)[6]
    assert {a.monitor for a in found.alarms} == {"saturation", "entropy", "gap", "disagreement"}
    gap = next(a for a in found.alarms if a.monitor == "gap")
    truths = {
        (p, g) for p, own in enumerate(fooled.trusted) for g, v in enumerate(own) if v.reward == 0.0
    }
    assert set(gap.suspects) <= truths


def test_more_at_the_top_of_the_scale_is_no_saturation_below_the_share() -> None:
    rounds = {r: a_round(r, top=0.2) for r in range(1, 7)} | {6: a_round(6, top=0.6)}
    assert not run(watching("saturation"), rounds)[6].alarms
    rounds[6] = a_round(6, top=0.95)
    assert run(watching("saturation"), rounds)[6].alarms


def test_a_drift_smaller_than_what_matters_is_no_alarm() -> None:
    rounds, _ = planted_from(6, 6, 0.2)
    options = watching("templates")
    large = MonitorsOptions(
        watch=(chosen("templates", MONITORS, replace(options.watch[0].options, least=0.6)),)
    )
    assert run(options, rounds)[6].alarms
    assert not run(large, rounds)[6].alarms


def test_too_few_prompts_and_none_at_all_say_nothing() -> None:
    few = {r: a_round(r, prompts=3) for r in range(1, 6)}
    few[5], _ = with_texts(few[5], 1.0, lambda text, prompt: "")
    none = {r: Seen([]) for r in range(1, 7)}
    assert not run(MonitorsOptions(), few)[5].alarms
    assert run(MonitorsOptions(), none)[6].metrics == {"alarms": 0.0}


def test_metrics_hold_every_statistic_that_can_be_measured() -> None:
    metrics = run(MonitorsOptions(), {1: a_round(1)})[1].metrics
    assert set(metrics) == {
        f"monitor/{name}" for name in MONITORS if name not in ("tokens", "language")
    } | {"alarms"}


def test_the_strongest_action_is_the_one_that_counts() -> None:
    rounds, _ = planted_from(6, 6, 0.5)
    found = run(MonitorsOptions(), rounds)[6].alarms
    assert {a.action for a in found} == {"tell", "review"}
    assert strongest(found) == "review"
    assert strongest([]) == ""


def test_every_monitor_measures_every_group_and_names_what_it_does() -> None:
    seen = Seen([group(["a b c d", ""], rewards=[1.0, None]), group(["e"], rewards=[0.0])])
    for name, row in MONITORS.items():
        statistic = chosen(name, MONITORS).build()
        sizes = [len(values) for values in statistic.pooled(statistic.measure(seen))]
        assert sizes == [2, 1], name
        assert row.summary
        assert issubclass(row.options, MonitorOptions)
        assert row.options().action in ACTIONS


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (MonitorOptions(action="shout"), "tell or review or pause"),
        (MonitorOptions(least=-1.0), "0 or more"),
        (MonitorsOptions(budget=0.0), "above 0"),
        (MonitorsOptions(spans=()), "different numbers"),
        (MonitorsOptions(reference=0), "1 or more"),
        (watching("gap", "gap"), "each monitor once"),
        (MONITORS["templates"].options(words=0), "1 or more"),
        (MONITORS["saturation"].options(share=1.5), "0 to 1"),
        (MONITORS["short"].options(tail=0.5), "below 0.5"),
    ],
)
def test_impossible_options_are_refused(
    options: MonitorsOptions | MonitorOptions, expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        options.check("meta.monitors")


def test_the_level_of_a_test_shares_the_budget_among_all_of_them() -> None:
    options = MonitorsOptions()
    tests = options.per * len(MONITORS) * len(options.spans)
    assert options.level * tests == pytest.approx(options.budget)
    assert {f.name for f in fields(options)} >= {"budget", "per", "spans", "reference"}
