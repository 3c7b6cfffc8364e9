"""Claims about stages, transactions, prompts and versions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from selfplay.core.errors import DataError, LedgerError
from selfplay.core.types import (
    Composition,
    Estimate,
    Group,
    Lineage,
    Prompt,
    Rejection,
    user,
)
from selfplay.ledger import CostEntry, Ledger, MetricEntry, PolicyEntry, RubricEntry

MakeGroup = Callable[..., Group]


def child_of(*parents: Prompt) -> Prompt:
    lineage = Lineage(tuple(p.id for p in parents), "harder", "rewriter", 2**63 - 1, 1, 2, "f")
    return Prompt(user("child of " + " and ".join(p.text for p in parents)), lineage=lineage)


def test_a_reopened_ledger_has_its_settings_and_environment(path: Path, ledger: Ledger) -> None:
    ledger.close()
    with Ledger.open(path) as again:
        assert again.settings == {"seed": 1, "rounds": 3}
        assert again.environment == {"torch": "2"}


def test_settings_can_be_amended(ledger: Ledger) -> None:
    ledger.amend_settings({"seed": 1, "rounds": 9})
    assert ledger.settings["rounds"] == 9


def test_a_stage_commits_with_its_metrics(ledger: Ledger) -> None:
    with ledger.commit(1, "judge") as stage:
        stage.metrics["reward"] = 0.1
        stage.metrics["spread"] = math.nan
    assert ledger.stage_done(1, "judge")
    assert not ledger.stage_done(2, "judge")
    assert ledger.stages() == [(1, "judge")]
    assert ledger.metrics("reward") == [MetricEntry(1, "judge", "reward", 0.1)]
    assert ledger.stage_metrics(1, "judge") == pytest.approx(
        {"reward": 0.1, "spread": math.nan}, nan_ok=True, rel=0
    )
    assert len(ledger.metrics()) == 2


def test_a_stage_that_fails_leaves_nothing(ledger: Ledger, group: MakeGroup) -> None:
    def failing_stage() -> None:
        with ledger.commit(1, "attempt") as stage:
            ledger.add_groups(1, "train", 0, [group(0)])
            stage.metrics["x"] = 1.0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing_stage()
    assert not ledger.stage_done(1, "attempt")
    assert (ledger.group_count(1, "train"), ledger.prompt_count()) == (0, 0)
    assert ledger.metrics() == []


def test_a_stage_is_done_once(ledger: Ledger) -> None:
    with ledger.commit(1, "learn"):
        pass
    with pytest.raises(LedgerError, match="'learn' of round 1 was done before"):
        ledger.commit(1, "learn").__enter__()


def test_the_last_round_is_the_last_recorded_one(ledger: Ledger) -> None:
    assert ledger.last_round() == 0
    for t, stage in [(1, "learn"), (1, "record"), (2, "learn")]:
        with ledger.commit(t, stage):
            pass
    assert ledger.last_round() == 1


def test_an_inner_transaction_joins_the_outer_one(ledger: Ledger) -> None:
    def outer() -> None:
        with ledger.transaction():
            with ledger.transaction():
                ledger.add_prompts([Prompt(user("a"))])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert ledger.prompt_count() == 0


def test_a_swallowed_inner_failure_commits_nothing(ledger: Ledger, group: MakeGroup) -> None:
    def swallowing() -> None:
        with ledger.transaction():
            ledger.add_prompts([Prompt(user("a"))])
            with pytest.raises(LedgerError):
                ledger.add_verdicts(1, "train", 0, [[]], "f")

    with pytest.raises(LedgerError, match="a part of a transaction failed"):
        swallowing()
    assert ledger.prompt_count() == 0
    ledger.add_groups(1, "train", 0, [group(0)])
    assert ledger.prompt_count() == 1


def test_prompts_come_back_in_the_order_asked_for(ledger: Ledger) -> None:
    prompts = [Prompt(user(text), extra={"b": 1, "a": [None]}) for text in "abc"]
    ledger.add_prompts(prompts)
    wanted = [prompts[2], prompts[0], prompts[2]]
    assert ledger.prompts([prompt.id for prompt in wanted]) == wanted
    assert list(ledger.prompts([prompts[0].id])[0].extra) == ["b", "a"]


def test_of_equal_prompts_the_first_lineage_stays(ledger: Ledger) -> None:
    prompt = Prompt(user("a"))
    later = replace(prompt, lineage=Lineage((prompt.id,), "harder"))
    ledger.add_prompts([prompt, later])
    ledger.add_prompts([later])
    assert ledger.prompts([prompt.id]) == [prompt]
    assert ledger.prompt_count() == 1


def test_lineage_keeps_the_order_of_parents(ledger: Ledger) -> None:
    first, second = Prompt(user("zz")), Prompt(user("a"))
    children = [child_of(first, second), child_of(second, first)]
    ledger.add_prompts([*children, first, second])
    assert ledger.prompts([child.id for child in children]) == children


def test_originals_leave_out_the_evolved(ledger: Ledger) -> None:
    original, imported = Prompt(user("z")), Prompt(user("b"), lineage=Lineage(operator="imported"))
    ledger.add_prompts([original, imported, child_of(original)])
    assert ledger.made_by("original") == [original]
    assert ledger.made_by("imported") == [imported]


def test_known_says_which_ids_are_there(ledger: Ledger) -> None:
    prompt = Prompt(user("a"))
    ledger.add_prompts([prompt])
    assert ledger.known([prompt.id, "0" * 16]) == {prompt.id}
    assert ledger.known(set()) == set()


def test_an_unknown_prompt_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="expected prompt 00"):
        ledger.prompts(["00"])


def test_a_column_that_json_cannot_hold_is_refused(ledger: Ledger) -> None:
    with pytest.raises(DataError, match="convert or drop the columns among \\['when'\\]"):
        ledger.add_prompts([Prompt(user("a"), extra={"when": object()})])


def test_a_lone_surrogate_is_refused(ledger: Ledger) -> None:
    with pytest.raises(DataError, match="lone surrogate"):
        ledger.add_prompts([Prompt(user("a"), answer="\ud800")])
    assert ledger.prompt_count() == 0


def test_a_composition_round_trips(ledger: Ledger) -> None:
    parent = Prompt(user("p"))
    child = child_of(parent)
    estimates = (
        Estimate(parent.id, "gap", 0.1, 8, 2, 1, "f"),
        Estimate(child.id, "gap", math.nan, 0, 2, 1, "f"),
    )
    rejection = Rejection("harder", parent.id, "too long")
    ledger.add_composition(
        2, Composition((child, parent, child), estimates, (rejection,), {"evolved": 2.0})
    )
    assert ledger.composition(2) == (child, parent, child)
    assert ledger.composition(1) == ()
    found = ledger.estimates()
    assert found[0] == estimates[0]
    assert math.isnan(found[1].value)
    assert ledger.estimates(since=3) == []
    assert ledger.rejections() == ledger.rejections(2) == [rejection]
    assert ledger.rejections(1) == []


def test_rubric_events_keep_their_order(ledger: Ledger) -> None:
    events = [
        RubricEntry(1, None, "a: 1", "accepted", "start", 0),
        RubricEntry(2, 1, "a: 2", "accepted", "better", 3),
        RubricEntry(2, 1, "a: 2", "rolled_back", "worse", 4),
    ]
    for event in events:
        ledger.add_rubric(*event)
    assert ledger.rubrics() == events


def test_a_replayed_policy_must_have_the_same_weights(ledger: Ledger) -> None:
    ledger.add_policy(1, 1, "aa", saved=False)
    ledger.add_policy(1, 1, "aa", saved=True)
    assert ledger.policies() == [PolicyEntry(1, 1, "aa", True)]
    with pytest.raises(LedgerError, match="replaying a stage gave another result"):
        ledger.add_policy(1, 1, "bb", saved=True)
    ledger.mark_saved(1, saved=False)
    assert ledger.policies() == [PolicyEntry(1, 1, "aa", False)]


def test_costs_are_kept_in_order(ledger: Ledger) -> None:
    costs = [
        CostEntry(1, "judge", "meta", 0.25, 10, 20),
        CostEntry(1, "learn", "train", 0.5, 0, 0, 3 << 30),
        CostEntry(1, "attempt", "solver", 1.5, 0, 7),
    ]
    for cost in costs:
        ledger.add_cost(*cost)
    assert ledger.costs() == costs


def test_a_probed_prompt_is_known_and_joins_the_archive_when_it_is_admitted(ledger: Ledger) -> None:
    first, probed, last = (Prompt(user(text)) for text in ("first", "probed", "last"))
    ledger.add_prompts([probed])
    ledger.admit([first])
    assert ledger.known([probed.id]) == {probed.id}
    assert list(ledger.archive_ids()) == [first.id]
    ledger.admit([first, probed, last, probed])
    assert list(ledger.archive_ids()) == [first.id, probed.id, last.id]
    assert list(ledger.archive_ids(1)) == [probed.id, last.id]
    assert ledger.archived([first.id, "0" * 16]) == {first.id}
    assert ledger.archive_size() == 3


def test_an_admitted_prompt_has_the_lineage_that_it_was_admitted_with(ledger: Ledger) -> None:
    parent = Prompt(user("parent"))
    turned_down = Prompt(user("child"), lineage=Lineage(("a" * 16, "b" * 16), "deepen", seed=1))
    admitted = replace(turned_down, lineage=Lineage((parent.id,), "rarer", "writer", 2, round=3))
    ledger.add_prompts([turned_down])
    assert ledger.prompts([admitted.id]) == [turned_down]
    ledger.admit([parent, admitted])
    assert ledger.prompts([admitted.id]) == [admitted]
    ledger.forget()
    assert ledger.prompts([admitted.id]) == [admitted]
    ledger.admit([turned_down])
    assert ledger.prompts([admitted.id]) == [admitted]
