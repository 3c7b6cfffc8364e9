"""A rewriter that learns from what its children are worth, in whole games and in its parts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from creator.coaching import (
    SPARE,
    UNKNOWN,
    children_of,
    informativeness,
    lesson_of,
    rewarded,
    rewritten_texts,
)
from creator.rewriting.in_breadth import CROSSOVER
from creator.rewriting.in_depth import DEEPEN
from creator.rewriting.instruction import CLOSING, OPENING
from creator.tables.training import REWARDS
from selfplay.build import open_game
from selfplay.coaching import STAGE, WEIGHTS, request_labels
from selfplay.core.components import chosen
from selfplay.core.errors import ConfigError, LedgerError
from selfplay.core.types import Group, Lineage, Message, Prompt, Response, Verdict, user
from selfplay.game import lesson
from selfplay.ledger import Ledger
from selfplay.paths import LEDGER
from selfplay.run import play
from tests.selfplay.coached_runs import coached, make_writer, own, play_through

WRITER = "writer"
ANTS, BEES = (Prompt(user(f"Why do {thing} sleep?")) for thing in ("ants", "bees"))


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_writer(tmp_path_factory.mktemp("models") / WRITER)


def reply(text: str, finish: str = "stop", logprobs: bool = True) -> Response:
    ids = np.arange(3, dtype=np.int32)
    logps = np.full(3, -1.0, np.float32) if logprobs else None
    return Response(text, ids, logps, finish)  # type: ignore[arg-type]


def marked(text: str) -> Response:
    return reply(f"{OPENING}\n{text}\n{CLOSING}")


def asked(replies: Sequence[Response], parent: Prompt = ANTS) -> Group:
    request = Prompt(DEEPEN.request([parent]), task="rewriting")
    return Group(request, tuple(replies), "rewrite", policy_version=1)


def child(text: str, *parents: Prompt, t: int = 2, model: str = WRITER) -> Prompt:
    ids = tuple(parent.id for parent in parents or (ANTS,))
    return Prompt(user(text), lineage=Lineage(ids, "deepen", model, round=t))


def answered(prompt: Prompt, *rewards: float | None) -> Group:
    verdicts = [Verdict(r) if r is not None else Verdict.missing("late") for r in rewards]
    responses = tuple(reply("42") for _ in rewards)
    return Group(prompt, responses, "train", 1).judged(verdicts, "judge")


def rewards_of(groups: Sequence[Sequence[Verdict]]) -> list[list[float | None]]:
    return [[verdict.reward for verdict in verdicts] for verdicts in groups]


def test_a_reply_is_worth_what_its_child_is_or_nothing() -> None:
    wide, even, unjudged = (child(text) for text in ("Why?", "How so?", "When?"))
    composed = [wide, even, unjudged]
    children = children_of(composed, {ANTS.id: ANTS}, WRITER, 2)
    judged = [answered(wide, 0.1, 0.9, 0.4), answered(even, 0.5, 0.5), answered(unjudged, None, 1)]
    values = informativeness(chosen("regret_gap", REWARDS), judged, 2)
    requests = [
        asked([marked("Why?")]),
        asked([marked("How so?")]),
        asked([marked("When?")]),
        asked([marked("Turned down by a gate?")]),
        asked([reply("no markers at all")]),
        asked([reply(f"{OPENING}\nWhy?", "length")]),
        asked([marked(ANTS.text)]),  # its parent again
        asked([marked("Why?")]),  # the same child a second time
        asked([marked("Why?")], BEES),  # the same words about another parent
    ]
    found = rewarded(requests, children, values)
    expected = [[0.8], [0.0], [None], [0.0], [0.0], [0.0], [0.0], [0.0], [0.0]]
    assert [[pytest.approx(r) for r in row] for row in expected] == rewards_of(found)
    assert found[2][0].reason == UNKNOWN
    assert found[0][0].scores == {"readable": 1.0, "admitted": 1.0}
    assert found[3][0].scores == {"readable": 1.0, "admitted": 0.0}
    assert found[4][0].scores == {"readable": 0.0, "admitted": 0.0}


def test_only_the_first_reply_that_can_be_used_is_rewarded() -> None:
    kid = child("Why?")
    children = children_of([kid], {ANTS.id: ANTS}, WRITER, 2)
    replies = [reply("nothing"), marked("Why?"), marked("How?"), reply("")]
    (verdicts,) = rewarded([asked(replies)], children, {kid.id: 0.25})
    assert rewards_of([verdicts]) == [[0.0, 0.25, None, 0.0]]
    assert verdicts[2].reason == SPARE


def test_children_of_other_rounds_models_or_parents_are_nobodys() -> None:
    others = [child("Why?", t=1), child("Who?", model="another"), child("How?", BEES)]
    children = children_of(others, {ANTS.id: ANTS, BEES.id: BEES}, WRITER, 2)
    replies = [asked([marked(text)]) for text in ("Why?", "Who?", "How?")]
    values = {prompt.id: 1.0 for prompt in others}
    assert rewards_of(rewarded(replies, children, values)) == [[0.0], [0.0], [0.0]]


def test_a_request_shows_its_parents_as_they_are() -> None:
    talk = Prompt((Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "A\n\nB")))
    assert rewritten_texts(CROSSOVER.request([talk, BEES])) == ("A\n\nB", BEES.text)


def test_equal_requests_are_one_and_those_with_a_single_reward_are_left_out() -> None:
    one, two, three = asked([marked("A")]), asked([marked("B")]), asked([marked("C")], BEES)
    given = [(one, Verdict(0.5)), (two, Verdict(0.0)), (three, Verdict(1.0))]
    (taught,) = lesson_of([group.judged([verdict], "f") for group, verdict in given])
    assert taught.prompt.id == one.prompt.id
    assert taught.rewards.tolist() == [0.5, 0.0]
    assert [response.text for response in taught.responses] == [
        group.responses[0].text for group in (one, two)
    ]


def test_replies_without_reward_or_log_probabilities_teach_nothing() -> None:
    replies = [marked("A"), marked("B"), reply("C", logprobs=False), marked("D")]
    verdicts = [Verdict(0.5), Verdict.missing(SPARE), Verdict(0.0), Verdict(1.0)]
    (taught,) = lesson_of([asked(replies).judged(verdicts, "f")])
    assert taught.rewards.tolist() == [0.5, 1.0]
    # Operators sample at temperatures of their own: the learner scores the replies itself.
    assert all(response.logprobs is None for response in taught.responses)


def weights(directory: Path) -> dict[str, np.ndarray]:
    return load_file(directory / "model.safetensors")


def equal(one: Path, other: Path) -> bool:
    left, right = weights(one), weights(other)
    return all(np.array_equal(left[name], right[name]) for name in left)


def test_a_game_rewards_each_reply_with_its_childs_gap(writer: Path, tmp_path: Path) -> None:
    play_through(coached(writer, tmp_path, own(writer), "rounds=2"), tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        ledger.decode = lambda tokens: [""] * len(tokens)
        gaps = {
            group.prompt.text: float(np.ptp(group.rewards)) for group in ledger.groups(2, "train")
        }
        requests = ledger.groups(2, "rewrite:0")
        metrics = ledger.stage_metrics(2, STAGE)
    rewards = []
    for request in requests:
        (verdict,), (response,) = request.verdicts, request.responses
        written = response.text.removeprefix(OPENING).removesuffix(CLOSING).strip()
        assert verdict.reward == gaps.get(written, 0.0)
        assert request.fingerprint.startswith("informativeness:regret_gap:")
        rewards.append(verdict.reward)
    assert {0.0, 1.0} == set(rewards)
    assert metrics["rewriter/reward"] == pytest.approx(np.mean(rewards))
    assert metrics["rewriter/replies"] == len(requests) == 16
    # Four parents, each asked of four times under one instruction.
    assert (metrics["rewriter/requests_taught"], metrics["rewriter/requests_too_few"]) == (4, 0)


def test_a_network_of_its_own_learns_and_the_solver_does_not_from_it(
    writer: Path, tmp_path: Path
) -> None:
    for name, more in {"learns": (), "rests": ("creator.training.enabled=false",)}.items():
        loaded = coached(writer, tmp_path, own(writer), "rounds=2", *more)
        play_through(loaded, tmp_path / name)
    learned = tmp_path / "learns" / "creator" / "policy" / "2"
    assert not equal(learned, writer)
    assert equal(tmp_path / "learns" / "policy" / "2", tmp_path / "rests" / "policy" / "2")
    assert not (tmp_path / "rests" / "creator" / "policy").exists()


def test_a_shared_network_learns_from_the_requests_by_their_weight(
    writer: Path, tmp_path: Path
) -> None:
    changes = {
        "rests": "enabled=false",
        "learns": "weight=1.0",
        "learns more": "weight=4.0",
    }
    learned = {}
    for name, change in changes.items():
        loaded = coached(writer, tmp_path, f"creator.training.{change}", "rounds=2")
        play_through(loaded, tmp_path / name)
        with Ledger.open(tmp_path / name / LEDGER, read_only=True) as ledger:
            learned[name] = ledger.stage_metrics(2, "learn")
    paths = [tmp_path / name / "policy" / "2" for name in changes]
    assert not any(equal(one, other) for one, other in zip(paths, paths[1:], strict=False))
    # The solver's own figures are those that it has without the requests.
    assert learned["learns"]["rewriting/groups_used"] >= 1
    assert learned["learns"]["other/groups_used"] == learned["rests"]["groups_used"]
    assert learned["learns"]["responses_missing"] == 0


@pytest.mark.parametrize("shared", [True, False])
def test_a_run_stopped_after_every_event_ends_like_one_that_was_not(
    writer: Path, tmp_path: Path, shared: bool
) -> None:
    # One version in two is saved: the other is learned again.
    changes = ["save.every=2"] if shared else [own(writer), "save.every=2"]
    loaded = coached(writer, tmp_path, *changes)
    whole = play_through(loaded, tmp_path / "whole")
    lives, ended = 0, False
    while not ended:
        with open_game(loaded, tmp_path / "stopped") as game:
            told = [type(event) for event in islice(play(game), 2)]
            ended, lives = len(told) < 2, lives + 1
    assert lives > 15
    with Ledger.open(tmp_path / "stopped" / LEDGER, read_only=True) as ledger:
        assert ledger.digest() == whole
    folder = "policy" if shared else "creator/policy"
    assert equal(tmp_path / "stopped" / folder / "3", tmp_path / "whole" / folder / "3")


def test_a_damaged_version_is_learned_again_and_other_weights_are_refused(
    writer: Path, tmp_path: Path
) -> None:
    loaded = coached(writer, tmp_path, own(writer))
    whole = play_through(loaded, tmp_path / "run")
    versions = tmp_path / "run" / "creator" / "policy"
    assert sorted(path.name for path in versions.iterdir()) == ["2", "3"]
    (versions / "3" / "model.safetensors").unlink()
    with open_game(loaded, tmp_path / "run") as game:
        assert [event.stage for event in play(game)][0] == "coach again"
        assert game.ledger.digest() == whole
    shutil.rmtree(versions / "3")
    shutil.copytree(versions / "2", versions / "3")
    header = (versions / "3" / "policy.json").read_text()
    (versions / "3" / "policy.json").write_text(header.replace('"version": 2', '"version": 3'))
    with (
        open_game(loaded, tmp_path / "run") as game,
        pytest.raises(LedgerError, match="found others"),
    ):
        list(play(game))


def test_requests_of_a_refill_come_after_those_of_the_composition(
    writer: Path, tmp_path: Path
) -> None:
    loaded = coached(writer, tmp_path, "solver.refill=2", "rounds=2")
    with open_game(loaded, tmp_path / "run") as game:
        list(play(game))
        labels = request_labels(game.ledger, 2)
        assert labels[0] == "rewrite:0"
        assert [label.split(":")[:2] for label in labels[1:]] == [["refill", "0"], ["refill", "1"]]
        assert all(group.verdicts for label in labels for group in game.ledger.groups(2, label))
        purposes = [group.purpose for group in lesson(game, 2)]
        assert purposes == sorted(purposes, reverse=True)
        assert {"train", "rewrite"} == set(purposes)


def test_a_rewriter_of_its_own_learns_to_write_what_informs(writer: Path, tmp_path: Path) -> None:
    larger = ("creator.batch=32", "creator.parents=0.125", "rounds=10")
    loaded = coached(writer, tmp_path, own(writer), *larger, "coaching.learning_rate=5e-3")
    play_through(loaded, tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        rewards = [entry.value for entry in ledger.metrics("rewriter/reward")]
        hashes = {entry.value for entry in ledger.metrics(WEIGHTS)}
    # Three random words of 24 hold one of the 4 favoured ones in 42 % of all cases.
    assert np.mean(rewards[:2]) < 0.5
    assert np.mean(rewards[-3:]) > np.mean(rewards[:2]) + 0.2
    assert len(hashes) == 10


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("creator.rewriter={name: endpoint, model: m, base_url: 'http://localhost'}", "endpoint"),
        ("creator.operators=[repeat]", "an operator that asks the rewriter"),
        ("creator.training.weight=0", "above 0"),
        ("creator.training.metric=inverse_gap", "inverse_gap"),
        ("solver.reference=precomputed", "scored anew"),
        ("coaching.baseline=gold", "coaching.baseline"),
        ("coaching.refill=1", "coaching.refill"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path: Path, change: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        coached(tmp_path, tmp_path, change)
