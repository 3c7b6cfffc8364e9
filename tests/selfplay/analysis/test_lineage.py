from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfplay.analysis.lineage import Found, ancestors, descendants, find, statistics, story
from selfplay.core.errors import DataError, LedgerError
from selfplay.ledger import Ledger
from selfplay.ledger.families import Filter
from selfplay.paths import LEDGER
from tests.selfplay.family_runs import (
    APPLES,
    CROSSED,
    DEEP,
    HELD,
    IMPORTED,
    PEARS,
    PROBED,
    STRANGER,
    SUM,
    estimate,
    prompt,
    write_run,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "families")


def ids(found: Found) -> list[str]:
    return [hit.prompt.id for hit in found.hits]


def test_a_story_holds_birth_rounds_estimates_and_groups(run: Path) -> None:
    found = story(run, PEARS.id)
    assert found.prompt == PEARS
    assert found.admitted
    assert found.rounds == (1, 2)
    assert [made.value for made in found.estimates] == [0.5, 0.0]
    first = found.groups[0].row
    assert (first.round, first.label, first.n, first.low, first.high) == (1, "train", 3, 0.0, 1.0)
    assert first.mean == pytest.approx(1 / 3)
    assert found.children == (CROSSED.id,)


def test_a_story_counts_missing_rewards_apart(run: Path) -> None:
    (only,) = story(run, APPLES.id).groups
    assert (only.row.n, only.row.rewarded, only.row.mean) == (2, 1, 1.0)


def test_responses_come_only_when_asked_for(run: Path) -> None:
    assert story(run, DEEP.id).groups[0].answers == ()
    answers = story(run, APPLES.id, responses=True).groups[0].answers
    assert [answer.text for answer in answers] == ["answer 0", "answer 1"]
    assert answers[0].verdict is not None
    assert answers[0].verdict.reason == "no answer found"


def test_an_unambiguous_prefix_is_enough(run: Path) -> None:
    assert story(run, PEARS.id[:6].upper()).prompt == PEARS


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Path]:
    with Ledger.create(tmp_path / LEDGER, {}, {}) as ledger:
        ledger.admit([prompt(f"prompt {i}") for i in range(200)])
        yield tmp_path


def test_an_ambiguous_prefix_names_candidates(crowded: Path) -> None:
    with pytest.raises(DataError, match=r"begins with 'a', found a\w{15}, a.*, …; give more"):
        story(crowded, "a")


@pytest.mark.parametrize("given", ["", "xyz", "%", "0 OR 1"])
def test_what_is_no_part_of_an_id_is_refused(run: Path, given: str) -> None:
    with pytest.raises(DataError, match="expected a prompt's id"):
        story(run, given)


def test_an_unknown_id_is_refused(run: Path) -> None:
    with pytest.raises(DataError, match="found none in this run"):
        story(run, "0" * 16)


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        story(tmp_path, "ab")


def test_ancestors_follow_every_parent_in_order(run: Path) -> None:
    family = ancestors(run, DEEP.id)
    assert {m.id: m.depth for m in family.members.values()} == {
        DEEP.id: 0,
        CROSSED.id: 1,
        APPLES.id: 1,
        PEARS.id: 2,
        SUM.id: 2,
    }
    assert family.members[CROSSED.id].next == (PEARS.id, SUM.id)
    # Reached twice, walked once: as the child's parent, and as the grandparent's.
    assert family.members[PEARS.id].next == (APPLES.id,)
    assert family.hidden == 0


def test_a_member_has_its_newest_estimate(run: Path) -> None:
    made = ancestors(run, CROSSED.id).members[PEARS.id].estimate
    assert made is not None
    assert (made.round, made.value) == (3, 0.0)


def test_a_parent_of_another_run_is_named_and_ends_the_walk(run: Path) -> None:
    family = ancestors(run, IMPORTED.id)
    assert family.members[STRANGER].prompt is None
    assert story(run, IMPORTED.id).strangers == {STRANGER}


def test_descendants_include_those_only_probed(run: Path) -> None:
    family = descendants(run, APPLES.id)
    assert set(family.members) == {APPLES.id, PEARS.id, PROBED.id, CROSSED.id, DEEP.id}
    assert not family.members[PROBED.id].admitted
    assert family.members[PEARS.id].admitted


def test_beyond_the_depth_relatives_are_counted(run: Path) -> None:
    family = ancestors(run, DEEP.id, depth=1)
    assert set(family.members) == {DEEP.id, CROSSED.id, APPLES.id}
    assert family.members[CROSSED.id].hidden == 2
    assert family.hidden == 2


def test_beyond_the_limit_relatives_are_counted(run: Path) -> None:
    family = descendants(run, APPLES.id, limit=1)
    assert len(family.members) == 2
    assert family.members[APPLES.id].hidden == 2


def test_a_lineage_that_leads_back_to_itself_ends(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    with sqlite3.connect(run / LEDGER) as connection:
        connection.execute("INSERT INTO lineage VALUES (?, 0, ?)", (APPLES.id, DEEP.id))
    connection.close()
    family = ancestors(run, DEEP.id, depth=1000)
    assert family.members[APPLES.id].next == (DEEP.id,)
    assert len(family.members) == 5
    assert len(descendants(run, APPLES.id, depth=1000).members) == 5


def test_every_admitted_heldout_and_imported_prompt_is_found_newest_first(run: Path) -> None:
    found = ids(find(run))
    assert found == [p.id for p in (DEEP, CROSSED, PEARS, IMPORTED, HELD, SUM, APPLES)]
    assert PROBED.id in ids(find(run, Filter(probed=True)))


def test_every_word_must_occur_and_case_does_not_count(run: Path) -> None:
    assert set(ids(find(run, Filter(words=("COUNT", "sum"))))) == {CROSSED.id, DEEP.id}


@pytest.mark.parametrize("word", ["user", "[[", '"', "_", "app_es", "%p"])
def test_neither_roles_nor_patterns_are_words(run: Path, word: str) -> None:
    assert ids(find(run, Filter(words=(word,)))) == []


def test_a_percent_sign_is_found_as_it_is(run: Path) -> None:
    assert ids(find(run, Filter(words=("50%",)))) == [APPLES.id]


def test_quotes_and_line_breaks_are_found_though_stored_as_json(tmp_path: Path) -> None:
    said = prompt('She said "näive"\nand \\left')
    with Ledger.create(tmp_path / LEDGER, {}, {}) as ledger:
        ledger.admit([said])
    for word in ('"näive"', "\nand", "\\left"):
        assert ids(find(tmp_path, Filter(words=(word,)))) == [said.id]


def test_task_operator_and_round_narrow_a_search(run: Path) -> None:
    assert ids(find(run, Filter(task="words", operator="rarer"))) == [PEARS.id]
    assert ids(find(run, Filter(rounds=(2, 3)))) == [DEEP.id, CROSSED.id]


def test_values_are_those_of_the_newest_estimate(run: Path) -> None:
    assert ids(find(run, order="value")) == [CROSSED.id, SUM.id, PEARS.id]
    assert ids(find(run, Filter(values=(0.2, 0.6)), order="value")) == [SUM.id]
    assert ids(find(run, Filter(values=(None, 0.0)))) == [PEARS.id]


def test_a_search_says_whether_more_fits(run: Path) -> None:
    assert find(run, limit=6).more
    assert not find(run, limit=7).more


def test_values_of_different_metrics_are_counted_as_scales(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    assert find(run, order="value").scales == 1
    other = estimate(SUM, 3.0, 4, metric="variance")
    with sqlite3.connect(run / LEDGER) as connection:
        connection.execute("INSERT INTO compositions VALUES (4, '{}')")
        row = (4, 0, other.prompt_id, other.metric, other.value, 2, 4, 3, "judge-a")
        connection.execute("INSERT INTO estimates VALUES (?,?,?,?,?,?,?,?,?)", row)
    connection.close()
    assert find(run, order="value").scales == 2


def test_statistics_count_what_operators_yielded(run: Path) -> None:
    operators = statistics(run).operators
    rarer = operators["rarer"]
    assert (rarer.tried, rarer.admitted, rarer.judged) == (4, 1, 1)
    assert (rarer.learnable, rarer.solved_later) == (1, 1)
    assert (operators["crossover"].learnable, operators["deepen"].learnable) == (1, 0)
    assert set(operators) == {"rarer", "crossover", "deepen"}


def test_a_higher_bar_is_reached_by_fewer(run: Path) -> None:
    assert statistics(run, bar=0.3).operators["rarer"].solved_later == 0
    assert statistics(run, bar=1.0).operators["rarer"].solved_later == 1


def test_statistics_name_the_commonest_reasons_first(run: Path) -> None:
    found = [(turned.reason, turned.children) for turned in statistics(run).turned_down]
    assert found == [("too long: over 9 tokens", 2), ("duplicate", 1)]


def test_statistics_count_tasks_and_rounds(run: Path) -> None:
    found = statistics(run)
    numbers, words = found.tasks
    assert (numbers.task, numbers.originals, numbers.heldout, numbers.children) == (
        "numbers",
        *(1, 1, 2),
    )
    assert (words.originals, words.children, words.trained) == (2, 1, 3)
    assert words.reward == pytest.approx((1 / 3 + 1 + 1) / 3)
    second = found.rounds[1]
    assert (second.round, second.asked, second.born, second.rejected) == (2, 3, 1, 1)
    assert (second.value, second.reward, second.mixed) == (0.375, 0.5, 0.5)


def test_diversity_is_measured_on_equally_many_texts(run: Path) -> None:
    originals, children = statistics(run).diversity
    assert (originals.prompts, originals.sample) == ("originals", 2)
    assert (children.prompts, children.sample) == ("children", 2)
    assert originals.distinct[0] == 12 / 14  # "the" and "of" twice
    assert originals.clusters is None


def test_a_run_without_rounds_has_statistics(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / LEDGER, {}, {}) as ledger:
        ledger.admit([APPLES])
    found = statistics(tmp_path)
    assert (found.operators, found.rounds) == ({}, ())
    assert [row.sample for row in found.diversity] == [1]


def test_an_empty_run_has_statistics(tmp_path: Path) -> None:
    Ledger.create(tmp_path / LEDGER, {}, {}).close()
    assert statistics(tmp_path).diversity == ()
    assert find(tmp_path).hits == ()
