"""Whole games whose prompts a model writes and whose children are answered before they are in."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from creator.context import CreatorContext
from creator.operators.instruction import CLOSING, OPENING
from creator.operators.puzzles import Child
from selfplay.build import open_game
from selfplay.config import Loaded, load_config
from selfplay.config.settings import RunConfig
from selfplay.core.components import NoOptions
from selfplay.core.errors import ConfigError, DataError, EndpointError, ModelError
from selfplay.core.seeding import Seed
from selfplay.core.types import GENERATED, Lineage, Prompt, user
from selfplay.events import Progress
from selfplay.ledger import Ledger
from selfplay.loop import play
from selfplay.paths import CREATOR, LEDGER
from selfplay.process.signals import LeavingError
from tests.conftest import make_tiny_model
from tests.model_server import Answer, Served, choice, completion, serving

THINGS = ("ants", "bees", "cats", "dogs", "elks", "foxes", "geese", "hens")
SHOWN = re.compile(r"<original_prompt>\n(.*?)\n</original_prompt>", re.DOTALL)


def marked(prompt: str) -> Answer:
    return completion(f"{OPENING}\n{prompt}\n{CLOSING}")


MISBEHAVIOURS = (
    lambda parent: completion("I'm sorry, but I can't help with that."),
    lambda parent: marked(parent),
    lambda parent: completion(f"{OPENING}\nWhy?\n{CLOSING}\n{OPENING}\nHow?\n{CLOSING}"),
    lambda parent: completion("The final answer is 42."),
    lambda parent: completion(""),
    lambda parent: Answer("overloaded", 500),
    lambda parent: completion(choice(f"{OPENING}\nWhy do", "length")),
)


def rewritten(body: dict[str, Any]) -> Answer:
    """Another question about what the parent asks about; the request's seed tells them apart."""
    parent = SHOWN.findall(body["messages"][0]["content"])[0]
    return marked(f"{parent.rstrip('?')} in year {body['seed'] % 10_000}?")


def moody(body: dict[str, Any]) -> Answer:
    """A server that does something else wrong in half of its answers."""
    parent = SHOWN.findall(body["messages"][0]["content"])[0]
    mood = body["seed"] % (2 * len(MISBEHAVIOURS))
    return MISBEHAVIOURS[mood](parent) if mood < len(MISBEHAVIOURS) else rewritten(body)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A prompt file without answers, and a policy with room for questions."""
    return make_files(tmp_path_factory.mktemp("evolving"))


def make_files(directory: Path) -> tuple[Path, Path]:
    prompts = directory / "prompts.jsonl"
    rows = [{"prompt": f"Why do {thing} {verb}?"} for thing in THINGS for verb in ("eat", "sleep")]
    prompts.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return prompts, make_tiny_model(directory / "model", context=2048)


def game(files: tuple[Path, Path], served: Served | None, *overrides: str) -> Loaded[RunConfig]:
    prompts, model = files
    url = served.url if served else ""
    rewriter = (
        f"creator.rewriter={{name: endpoint, model: writer, base_url: '{url}', retries: 0, "
        "concurrency: 3}"
    )
    shared = (
        f"prompts={prompts}",
        f"model.path={model}",
        "model.device=cpu",
        "model.threads=1",
        "rounds=3",
        "chunk=3",
        "creator.batch=6",
        "creator.memory=3",
        "creator.operators=[deepen, rarer, crossover]",
        "solver.sampling.n=3",
        "solver.sampling.max_new_tokens=6",
        "meta.judge={name: check, kind: length, params: {unit: characters, maximum: 5}}",
        "evaluation.source.share=0",
        "save.every=1",
    )
    return load_config("own", [*shared, *([rewriter] if served else []), *overrides])


def play_through(loaded: Loaded[RunConfig], directory: Path) -> str:
    with open_game(loaded, directory) as opened:
        for _ in play(opened):
            pass
        return opened.ledger.digest()


def test_a_server_writes_the_prompts_and_a_stopped_run_asks_it_nothing_twice(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    with serving(rewritten) as served:
        loaded = game(files, served)
        whole = play_through(loaded, tmp_path / "whole")
        asked = len(served.requests)
        seen, events = 2, 0
        while seen == 2:
            with open_game(loaded, tmp_path / "stopped") as opened:
                seen = sum(1 for _ in islice(play(opened), 2))
            events += seen
        assert events > 20
        with Ledger.open(tmp_path / "stopped" / LEDGER, read_only=True) as ledger:
            assert ledger.digest() == whole
        assert len(served.requests) == 2 * asked
    with Ledger.open(tmp_path / "whole" / LEDGER, read_only=True) as ledger:
        children = [
            prompt
            for t in (2, 3)
            for prompt in ledger.composition(t)
            if prompt.lineage.operator in ("deepen", "rarer", "crossover")
        ]
        assert len(children) >= 6
        assert {child.lineage.model for child in children} == {"writer"}
        assert all(" in year " in child.text and child.lineage.parents for child in children)
        # What was written counts towards the budget, as what was answered does.
        assert ledger.stage_metrics(2, "compose")[GENERATED] > 0
        assert sum(cost.tokens_out for cost in ledger.costs() if cost.role == "rewrite") > 0


def test_a_listener_is_told_while_a_round_is_composed_and_may_leave(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    told: list[Progress] = []

    def leave(progress: Progress) -> None:
        told.append(progress)
        if progress.round == 3:
            raise LeavingError

    with serving(rewritten) as served:
        loaded = game(files, served)
        whole = play_through(loaded, tmp_path / "whole")
        with open_game(loaded, tmp_path / "left") as opened:
            opened.listener = leave
            with pytest.raises(LeavingError):
                list(play(opened))
        assert play_through(loaded, tmp_path / "left") == whole
    assert {progress.stage for progress in told} >= {"rewrite:0", "rewrite:1"}
    assert told[-1].round == 3
    assert all(progress.done <= progress.total for progress in told)


def test_what_a_server_does_wrong_is_counted_and_the_round_goes_on(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    with serving(moody) as served:
        play_through(game(files, served, "creator.batch=12"), tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert ledger.last_round() == 3
        assert all(len(ledger.composition(t)) == 12 for t in (1, 2, 3))
        reasons = Counter(rejection.reason for rejection in ledger.rejections())
        assert len(reasons) >= 4
        assert reasons.keys() <= {
            "refusal", "unchanged", "several prompts", "answer", "empty", "no reply", "cut off",
            "duplicate", "no second parent",
        }  # fmt: skip
        written = ledger.archive_size() - 2 * len(THINGS)
        assert written > 0


def test_a_dead_server_ends_the_run_which_goes_on_once_it_is_back(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    down = [True]
    with serving(lambda body: Answer("down", 503) if down[0] else rewritten(body)) as served:
        loaded = game(files, served, "rounds=2")
        with pytest.raises(EndpointError, match="Check that the server runs"):
            play_through(loaded, tmp_path / "run")
        down[0] = False
        play_through(loaded, tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert ledger.last_round() == 2


def test_the_solver_can_write_its_own_prompts(files: tuple[Path, Path], tmp_path: Path) -> None:
    brief = "creator.operators=[{name: deepen, max_new_tokens: 8}]"
    play_through(game(files, None, brief, "rounds=2"), tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        asked = ledger.groups(2, "rewrite:0")
        assert asked
        assert all(len(group.responses) == 1 and group.responses[0].length for group in asked)
        # Random weights write no prompt; the round is made of originals then.
        assert {rejection.reason for rejection in ledger.rejections(2)} <= {"cut off", "empty"}
        assert len(ledger.composition(2)) == 6


@pytest.mark.parametrize(
    "gates",
    [
        "[duplicate, length, well_formed, language, near_duplicate]",
        "[duplicate, {name: solvability, n: 4, right: null, agreement: 0.01}]",
    ],
)
def test_gates_that_remember_and_ask_leave_a_stopped_run_the_same(
    files: tuple[Path, Path], tmp_path: Path, gates: str
) -> None:
    with serving(rewritten) as served:
        loaded = game(files, served, f"creator.gates={gates}", "rounds=4")
        whole = play_through(loaded, tmp_path / "whole")
        with open_game(loaded, tmp_path / "stopped") as opened:
            for event in play(opened):
                if (event.round, event.stage) == (3, "attempt"):
                    break
        for cache in (tmp_path / "stopped" / CREATOR).iterdir():
            cache.unlink()
        assert play_through(loaded, tmp_path / "stopped") == whole
    with Ledger.open(tmp_path / "whole" / LEDGER, read_only=True) as ledger:
        assert ledger.archive_size() > 2 * len(THINGS)
        if "solvability" in gates:
            assert ledger.group_count(2, "gate:0")
            assert ledger.stage_metrics(2, "compose")[GENERATED] > 0


def test_a_child_that_a_gate_turned_down_is_in_no_archive_and_may_come_again(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    never = "creator.gates=[{name: solvability, n: 2, right: null, agreement: 1.0}]"
    with serving(rewritten) as served:
        play_through(game(files, served, never, "rounds=2"), tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        archived = set(ledger.archive_ids())
        ledger.decode = lambda tokens: [""] * len(tokens)
        probed = {group.prompt.id for group in ledger.groups(2, "gate:0")}
        assert probed - archived
        assert all(prompt.id in archived for prompt in ledger.composition(2))


def test_what_a_gate_lacks_is_said_at_the_start_and_another_configuration_may_follow(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    missing = "creator.gates=[{name: contamination, files: [nowhere.jsonl]}]"
    with (
        pytest.raises(DataError, match=r"nowhere\.jsonl"),
        open_game(game(files, None, missing), tmp_path / "run"),
    ):
        pass
    with open_game(game(files, None, "creator.gates=[length]"), tmp_path / "run") as opened:
        assert opened.ledger.stages() == []


def test_an_embedder_that_is_not_there_is_said_before_anything_is_asked(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    nowhere = f"creator.embedder={tmp_path / 'no' / 'model'}"
    with (
        pytest.raises(ModelError, match=r"no/model"),
        open_game(game(files, None, "creator.gates=[novelty]", nowhere), tmp_path / "run"),
    ):
        pass
    with open_game(
        game(files, None, "creator.gates=[length]", nowhere), tmp_path / "run"
    ) as opened:
        assert opened.ledger.stages() == []


def test_a_rewriter_of_its_own_needs_a_path(files: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="path"):
        game(files, None, "creator.rewriter=transformers")


def test_a_model_of_its_own_can_write_the_prompts(files: tuple[Path, Path], tmp_path: Path) -> None:
    own = f"creator.rewriter={{name: transformers, path: '{files[1]}', device: cpu}}"
    brief = "creator.operators=[{name: deepen, max_new_tokens: 8}]"
    play_through(game(files, None, own, brief, "rounds=2"), tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        assert all(group.responses[0].length for group in ledger.groups(2, "rewrite:0"))


def test_warm_up_and_bootstrap_say_what_a_round_is_made_of(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    with serving(rewritten) as served:
        phases = ("creator.warm_up=2", "creator.bootstrap=4", "creator.parents=0.5", "rounds=4")
        play_through(game(files, served, *phases), tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        evolved = [ledger.stage_metrics(t, "compose")["evolved"] for t in (1, 2, 3, 4)]
    assert evolved == [0, 0, 5, 6]


class Shout:
    """An operator of a user's own: it has no options, and so no weight."""

    def __init__(self, options: NoOptions, surroundings: CreatorContext) -> None:
        self.longest = surroundings.max_tokens

    def evolve(self, parents: Sequence[Prompt], seed: Seed) -> list[Child]:
        return [
            Prompt(
                user(f"{parent.text.upper()} {seed.integer() % 1000}!"),
                lineage=Lineage(parents=(parent.id,)),
            )
            for parent in parents
        ]


class Loud:
    """A gate of a user's own, with an option."""

    @dataclass(frozen=True)
    class Options:
        least: int = 1

    def __init__(self, options: Options, surroundings: CreatorContext) -> None:
        self.least = options.least

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        return ["" if p.text.count("!") >= self.least else "too quiet" for p in prompts]


@pytest.mark.parametrize(("least", "admitted"), [(1, True), (9, False)])
def test_operators_and_gates_of_ones_own_are_named_by_module_and_class(
    files: tuple[Path, Path], tmp_path: Path, least: int, admitted: bool
) -> None:
    own = (
        f"creator.operators=[{__name__}:Shout]",
        f"creator.gates=[{{name: '{__name__}:Loud', least: {least}}}]",
        "creator.attempts=1",
        "rounds=2",
    )
    play_through(game(files, None, *own), tmp_path / "run")
    with Ledger.open(tmp_path / "run" / LEDGER, read_only=True) as ledger:
        loud = [prompt for prompt in ledger.composition(2) if prompt.text.endswith("!")]
        reasons = {rejection.reason for rejection in ledger.rejections(2)}
    assert bool(loud) == admitted
    assert ("too quiet" in reasons) != admitted
