"""Credit on a real small run: refilled, so that what is learned is not what was asked."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from selfplay.analysis.credit.asked import Asked
from selfplay.analysis.credit.attribution import credit
from selfplay.analysis.credit.bootstrap import intervals
from selfplay.analysis.credit.gradients import prompt_gradients, reinforced, taken_gradient
from selfplay.analysis.credit.influence import gone_back, influences, planned, state_of
from selfplay.analysis.credit.kin import Families, counted, operator_of
from selfplay.analysis.credit.leave_out import Replayed, replays
from selfplay.analysis.credit.replay import accuracies, rewind
from selfplay.analysis.credit.table import Attribution
from selfplay.build import open_game
from selfplay.cli.credit_command import credit as command
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError, LedgerError
from selfplay.core.types import Lineage, Prompt, user
from selfplay.game import Game, lesson
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import LEDGER
from selfplay.stages.evaluation import SAMPLED
from solver.checkpoint import policy_digest
from solver.learning.stage import Stage
from solver.objectives.build import build_objective
from solver.objectives.objective import PlannedObjective
from solver.objectives.table import OBJECTIVES
from tests.selfplay.small_runs import play_out, small

RUN = (
    "rounds=2",
    "creator.batch=6",
    "solver.refill=1",
    "evaluation.every=1",
    "save.every=1",
    "save.keep_last=1",
)
LAST = 2


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("credit") / "run"
    play_out(path, *RUN)
    return path


@pytest.fixture(scope="module")
def game(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Game]:
    copy = tmp_path_factory.mktemp("copy") / "run"
    shutil.copytree(directory, copy)
    with open_game(small(*RUN), copy) as found:
        yield found


@pytest.fixture(scope="module")
def replayed(game: Game) -> dict[str | None, Replayed]:
    def shares_of(prompt: Prompt) -> dict[str, float]:
        return {**operator_of(prompt), "all": 1.0}

    events = replays(game, ["original", "nobody", "all"], shares_of)
    return {event.label: event for event in events if isinstance(event, Replayed)}


def saved(game: Game, version: int) -> str:
    return {entry.version: entry.sha256 for entry in game.ledger.policies()}[version]


def table(game: Game, asked: Asked) -> list[Attribution]:
    return [event for event in credit(game, asked) if isinstance(event, Attribution)]


# Replays


def test_with_nothing_left_out_weights_and_answers_are_the_runs_own(
    game: Game, replayed: dict[str | None, Replayed]
) -> None:
    assert replayed[None].repeats
    recorded = accuracies(game.ledger.groups(LAST, SAMPLED))
    assert replayed[None].accuracies_H.tolist() == recorded.tolist()


def test_leaving_out_a_label_of_no_group_changes_nothing(
    replayed: dict[str | None, Replayed],
) -> None:
    assert replayed["nobody"].repeats
    assert replayed["nobody"].accuracies_H.tolist() == replayed[None].accuracies_H.tolist()


def test_leaving_out_some_groups_gives_other_weights(
    replayed: dict[str | None, Replayed],
) -> None:
    assert replayed["original"].repeats is False


def test_with_everything_left_out_the_policy_stays_the_first(game: Game) -> None:
    last = deque(replays(game, ["all"], lambda prompt: {"all": 1.0}), maxlen=1).pop()
    assert isinstance(last, Replayed)
    assert last.repeats is False
    assert policy_digest(game.solver.policy) == saved(game, 0)
    assert game.solver.version == LAST


def test_credit_by_leaving_out_is_the_difference_of_accuracies(
    game: Game, replayed: dict[str | None, Replayed]
) -> None:
    (shown,) = table(game, Asked("leave_out", ("operators",)))
    rows = {row.label: row for row in shown.rows}
    lost_H = replayed[None].accuracies_H - replayed["original"].accuracies_H
    assert len(rows) >= 2
    assert rows["original"].gain == pytest.approx(lost_H.mean())
    assert all(row.low <= row.gain <= row.high for row in shown.rows)
    assert "did not give the run's own weights" not in shown.note


def test_credit_writes_nothing_to_the_run(directory: Path, game: Game) -> None:
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        assert ledger.digest() == game.ledger.digest()
        assert len(ledger.costs()) == len(game.ledger.costs())
    kept = sorted(path.name for path in (directory / "policy").iterdir())
    assert kept == sorted(path.name for path in game.policies.path(0).parent.iterdir())


# Influence


def test_families_and_operators_add_up_to_the_same_total(game: Game) -> None:
    operators, families = table(game, Asked(top=1000))
    assert policy_digest(game.solver.policy) == saved(game, LAST)
    assert operators.total == pytest.approx(families.total, rel=1e-6)
    assert operators.total != 0.0
    for shown in (operators, families):
        gains = [row.gain for row in shown.rows]
        assert sum(gains) == pytest.approx(shown.total)
        assert gains == sorted(gains, reverse=True)
        assert len(gains) == shown.labels
    taught = [group for t in range(1, LAST + 1) for group in lesson(game, t)]
    assert sum(row.groups for row in operators.rows) == len(taught)
    assert sum(row.groups for row in families.rows) == pytest.approx(len(taught))
    assert len(families.rows) > len(operators.rows) > 1


def test_influence_is_the_product_of_two_gradients(game: Game) -> None:
    """Worked out again for round 1, with transformers alone and the definitions."""
    round_ = next(iter(influences(game, "none")))
    model = AutoModelForCausalLM.from_pretrained(game.policies.path(0), dtype=torch.float32)

    def logp(prompt: Prompt, tokens: np.ndarray) -> torch.Tensor:
        (asked,) = game.solver.prompt_ids([prompt.messages])
        ids = torch.tensor([[*asked, *tokens.tolist()]])
        logps = torch.log_softmax(model(ids).logits[0, len(asked) - 1 : -1].float(), dim=-1)
        return logps.gather(1, ids[0, len(asked) :, None]).sum()

    def gradient(value: torch.Tensor) -> torch.Tensor:
        parts = torch.autograd.grad(value, list(model.parameters()))
        return torch.cat([part.reshape(-1) for part in parts])

    heldout = game.ledger.groups(0, SAMPLED)
    reward = sum(
        (r - (g.rewards.sum() - r) / (len(g.rewards) - 1))
        / len(g.rewards)
        / len(heldout)
        * logp(g.prompt, response.token_ids)
        for g in heldout
        for r, response in zip(g.rewards.tolist(), g.responses, strict=True)
    )
    assert isinstance(reward, torch.Tensor)
    towards = gradient(reward)
    groups = lesson(game, 1)
    count = sum(len(group.responses) for group in groups)
    parts = {}
    for group in groups:
        others = (group.rewards.sum() - group.rewards) / (len(group.rewards) - 1)
        surrogate = sum(
            a / count * logp(group.prompt, response.token_ids)
            for a, response in zip((group.rewards - others).tolist(), group.responses, strict=True)
        )
        assert isinstance(surrogate, torch.Tensor)
        parts[group.prompt.id] = gradient(surrogate)
    norm = float(torch.stack(list(parts.values())).sum(dim=0).norm())
    rate = game.config.solver.learning_rate * min(1.0, 1.0 / norm)
    expected = {id_: rate * float(towards @ part) for id_, part in parts.items()}
    assert round_.parts.keys() == expected.keys()
    scale = max(map(abs, expected.values()))
    for id_, part_B in round_.parts.items():
        assert part_B.sum() == pytest.approx(expected[id_], abs=2e-3 * scale)


@pytest.mark.parametrize(
    "name", ["rloo", "grpo", "dapo", "dpo", "simpo", "kto", "sft", "listwise", "crpg", "crraft"]
)
def test_the_parts_of_prompts_are_the_gradient_of_the_whole_step(game: Game, name: str) -> None:
    rewind(game)
    policy = game.solver.policy
    config = replace(policy.config, objective=chosen(name, OBJECTIVES))
    objective = build_objective(config.objective, config)
    assert isinstance(objective, PlannedObjective)
    groups, seed = lesson(game, 1)[:3], game.seed.at(1, "learn")
    (step,) = objective.plan(Stage(policy, groups, seed, config)).steps
    for one in step:
        (one.share * one.loss()[0]).backward()
    whole = taken_gradient(policy)
    cut = Stage(policy, groups, seed, replace(config, micro_batch_tokens=1))
    (found,) = ([*parts] for parts in prompt_gradients(cut, objective))
    assert len(found) > 1
    assert len({id_ for id_, _ in found}) == len(found)
    added = torch.stack([gradient for _, gradient in found]).sum(dim=0)
    assert float(whole.norm()) > 0.0
    assert float((added - whole).norm()) < 1e-4 * float(whole.norm())


def test_a_loss_that_couples_prompts_is_refused(game: Game) -> None:
    rewind(game)
    policy = game.solver.policy
    config = replace(policy.config, objective=chosen("beta_dpo", OBJECTIVES), micro_batch_tokens=1)
    objective = build_objective(config.objective, config)
    assert isinstance(objective, PlannedObjective)
    stage = Stage(policy, lesson(game, 1), game.seed.at(1, "learn"), config)
    with pytest.raises(ConfigError, match=r"couples the prompts.*leave_out"):
        list(prompt_gradients(stage, objective))


def test_a_procedure_has_no_gradient_to_take_apart(game: Game) -> None:
    config = replace(
        game.config, solver=replace(game.config.solver, objective=chosen("sdpo", OBJECTIVES))
    )
    with pytest.raises(ConfigError, match=r"'sdpo', which is a procedure.*leave_out"):
        planned(replace(game, config=config))


def test_going_back_changes_nothing_in_the_end(game: Game) -> None:
    rewind(game)
    policy = game.solver.policy
    before = [tensor.clone() for tensor in state_of(policy)]
    game.solver.learn(lesson(game, 1), game.seed.at(1, "learn"))
    after = policy_digest(policy)
    with gone_back(policy, before):
        assert policy.version == 0
        assert all(torch.equal(a, b) for a, b in zip(before, state_of(policy), strict=True))
    assert (policy.version, policy_digest(policy)) == (1, after)


# Kin, weights and intervals


def test_a_child_of_two_families_belongs_to_both_in_equal_parts(tmp_path: Path) -> None:
    first, second = Prompt(user("a")), Prompt(user("b"))
    child = Prompt(user("c"), lineage=Lineage((first.id,), "harder", round=1))
    mixed = Prompt(user("d"), lineage=Lineage((child.id, second.id), "cross", round=2))
    more = Prompt(user("e"), lineage=Lineage((mixed.id, first.id), "cross", round=3))
    foreign = Prompt(user("f"), lineage=Lineage(("0123456789abcdef",), "harder", round=1))
    with Ledger.create(tmp_path / LEDGER, {}, {}) as ledger:
        ledger.add_prompts([first, second, child, mixed, more, foreign])
        families = Families(ledger)
        assert families(child) == families(first) == {first.id: 1.0}
        assert families(mixed) == {first.id: 0.5, second.id: 0.5}
        assert families(more) == {first.id: 0.75, second.id: 0.25}
        assert families(foreign) == {foreign.id: 1.0}
        assert counted([child, mixed], families) == {first.id: 1.5, second.id: 0.5}


def test_weights_of_samples_are_leave_one_out_advantages() -> None:
    nan = math.nan
    weights_PG = reinforced(np.array([[1.0, 0.0, 0.0], [1.0, nan, nan], [nan, nan, nan]]))
    assert weights_PG[0] == pytest.approx(np.array([1.0, -0.5, -0.5]) / 3 / 2)
    assert weights_PG[1].tolist() == [0.5, 0.0, 0.0]
    assert weights_PG[2].tolist() == [0.0, 0.0, 0.0]


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        values_H = rng.normal(0.3, 1.0, 60)
        ((low, high),) = intervals(values_H[None] / 60, np.ones(60, dtype=np.int64), rng)
        hits += low <= 0.3 <= high
    assert 52 <= hits <= 60


def test_few_blocks_give_no_interval() -> None:
    ends = intervals(np.ones((2, 7)), np.ones(7, dtype=np.int64), np.random.default_rng(0))
    assert np.isnan(ends).all()


def test_a_run_with_one_evaluation_has_no_gain_to_attribute(tmp_path: Path) -> None:
    with open_game(small("rounds=0"), tmp_path) as game:
        for _ in play(game):
            pass
        with pytest.raises(LedgerError, match="found 1 of them"):
            table(game, Asked())


# The command


def call(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_tables_json_and_csv(directory: Path, tmp_path: Path) -> None:
    path = tmp_path / "credit.csv"
    shown = call(str(directory), "--top", "2", "--csv", str(path))
    assert "influence by operators, rounds 1 to 2" in shown
    assert "influence by families" in shown
    assert "more families" in shown
    assert "total" in shown
    assert "measured" in shown
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["operators"] * 2 + ["families"] * 2
    out = call(str(directory), "--by", "operators", "--top", "1", "--method", "leave_out", "--json")
    (only,) = (json.loads(line) for line in out.splitlines())
    assert only["method"] == "leave_out"
    assert len(only["rows"]) == 1
    assert set(only["rows"][0]) == {"label", "groups", "gain", "low", "high", "text"}


@pytest.mark.parametrize(
    ("option", "word"), [("--method", "leaveout"), ("--by", "family"), ("--preconditioner", "adam")]
)
def test_a_word_that_there_is_not_is_refused_with_the_nearest(
    directory: Path, option: str, word: str
) -> None:
    with pytest.raises(ConfigError, match=f"{option}: '{word}' is unknown; did you mean"):
        call(str(directory), option, word)
