"""Claims about evolution that brings nothing: an alarm, a pause on request, misspelt tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from creator.turned_down import commonest
from selfplay.analysis.status import standing
from selfplay.build import open_game
from selfplay.cli.watch import RoundLine
from selfplay.config.settings import RunConfig
from selfplay.core.errors import ConfigError, PausedError
from selfplay.core.types import Prompt, Rejection, user
from selfplay.ledger import AlarmEntry, Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.process.notes import dealt_notes
from selfplay.review.rubrics import review_history
from selfplay.stages.pauses import EVOLUTION
from selfplay.stages.tasks import refuse_unknown_tasks
from tests.creator.test_creator import compose, config, group, puzzles
from tests.selfplay.small_runs import small

NOTHING = ("rounds=2", "creator.gates=[{name: length, max_tokens: 1}]", "creator.chooser=fixed")


def played(directory: Path, *overrides: str) -> list[str]:
    """Plays a small run; the lines that are printed of its rounds."""
    with open_game(small(*overrides), directory) as game:
        shown = RoundLine(game.config.rounds)
        return [line for event in play(game) if (line := shown.add(event))]


@pytest.fixture(scope="module")
def barren(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    directory = tmp_path_factory.mktemp("barren") / "run"
    return directory, played(directory, *NOTHING)


def alarms(directory: Path) -> Sequence[AlarmEntry]:
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        return ledger.alarms()


def test_a_run_whose_children_are_all_turned_down_raises_an_alarm_with_the_reason(
    barren: tuple[Path, list[str]],
) -> None:
    directory, lines = barren
    found = alarms(directory)
    assert [(alarm.round, alarm.monitor) for alarm in found] == [(2, EVOLUTION)]
    assert "too long: over 1 tokens" in found[0].text
    assert "no child was admitted" in found[0].text
    assert standing(directory).alarms == 1
    assert (EVOLUTION, "tell") in review_history(directory).rounds_of()
    assert any("no child (" in line and "1 alarm" in line for line in lines)


def test_a_round_whose_prompts_all_rest_says_so() -> None:
    originals = puzzles(20)
    options = config(pool={"retire": {"after": 1}})
    hopeless = [group(prompt, [0, 0]) for prompt in originals]
    assert "none of the 20 prompts" in compose(options, hopeless, originals).barren
    mixed = [group(prompt, [0, 1]) for prompt in originals]
    assert compose(options, mixed, originals).barren == ""
    assert compose(options, [], originals).barren == ""


def test_too_many_rejections_pause_the_run_if_so_configured_and_it_goes_on(tmp_path: Path) -> None:
    with pytest.raises(PausedError, match=r"max_rejected=50%; most often: too long"):
        played(tmp_path / "run", *NOTHING, "max_rejected=0.5")
    played(tmp_path / "run", *NOTHING, "max_rejected=1.0")
    assert standing(tmp_path / "run").round == 2


def test_a_run_with_children_raises_no_alarm(tmp_path: Path) -> None:
    played(tmp_path / "run", "rounds=2")
    assert not alarms(tmp_path / "run")


def test_the_commonest_reason_by_hand() -> None:
    turned = [Rejection("deepen", "p", "near duplicate")] * 3 + [Rejection("rarer", "p", "refusal")]
    assert commonest(turned) == "near duplicate (3 of 4, by deepen)"
    assert commonest([]) == ""


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("creator.pool={capacity: 50, quotas: {chain_sums: 0.5}}", "creator.pool.quotas"),
        ("creator.sampler={name: quotas, shares: {chain_sums: 2}}", "creator.sampler.shares"),
        ("tasks=[{name: sums, match: {task: [chain_sums]}}]", r"tasks.0.match.task"),
    ],
)
def test_a_misspelt_task_is_refused_with_the_nearest(override: str, where: str) -> None:
    misspelt: RunConfig = small(override).config
    prompts = [Prompt(user("1 + 1"), task="chain_sum"), Prompt(user("ab"), task="spell_backward")]
    with pytest.raises(ConfigError, match=rf"{where}.*'chain_sums'; did you mean 'chain_sum'"):
        refuse_unknown_tasks(misspelt, prompts)
    fine: RunConfig = small(override.replace("chain_sums", "chain_sum")).config
    refuse_unknown_tasks(fine, prompts)


def test_the_share_of_prompts_that_nearly_copy_a_held_out_one_is_told() -> None:
    text = "Anna buys 3 red apples at the market for 40 cents each and pays with one coin."
    others = [
        Prompt(user(f"Why does river number {i} flow so slowly in summer?")) for i in range(3)
    ]
    heldout = [Prompt(user(text))]
    copy = Prompt(user(f"Consider this. {text.replace('40', '55')} What does she pay?"))
    [note] = dealt_notes([*others, copy], heldout)
    assert note.startswith("25.0% of the prompts to train on (1 of 4) nearly copy a held-out one")
    assert dealt_notes(others, heldout) == dealt_notes(others, []) == dealt_notes([], heldout) == []
