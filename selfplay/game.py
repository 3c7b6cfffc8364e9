"""The game: one round, stage by stage, in the order in which it is played.

Every stage reads what it needs from the ledger and commits what it made to it. A stage that the
ledger holds is never repeated, so a run can stop between any two chunks and go on. Stages yield
their progress; who plays the round decides what to do with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from creator.coaching import lesson_of
from creator.context import RoundServices
from creator.creator import REPLAYED, Creator
from creator.pool.archive import LazyPrompts
from meta.meta import Meta
from selfplay.config.settings import RunConfig
from selfplay.core.errors import PausedError
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import GENERATED, Group, Now, Probe, Prompt
from selfplay.events import Event, Listener, Progress, StageDone, nobody
from selfplay.ledger import Ledger
from selfplay.review.anchoring import Anchoring, append_anchors
from selfplay.review.stage import Reviewing, pause_for
from selfplay.stages.checkpoints import Policies, kept
from selfplay.stages.evaluation import accuracy, samplings
from selfplay.stages.labels import ANCHORS, BASELINE, ESTIMATE, GATE, TRAIN, last_judged
from selfplay.stages.pauses import evolution_alarms, refuse_barren, remedy
from selfplay.stages.rewriting import (
    Network,
    RecordedRewriter,
    coaching_metrics,
    rewarded_requests,
    writing_lesson,
)
from selfplay.stages.rollouts import Rollouts
from selfplay.stages.statistics import (
    commonest_reason,
    generated_tokens,
    is_mixed,
    response_metrics,
    verdict_metrics,
)
from selfplay.stages.win_rates.stage import NoWinRates, WinRates
from selfplay.stopping.clock import Clock
from selfplay.stopping.concluding import Concluding
from solver.learning.errors import NotFiniteError
from solver.solver import Solver


@dataclass
class Game:
    """The players and their table."""

    config: RunConfig
    directory: Path
    """Of the run."""
    seed: Seed
    ledger: Ledger
    creator: Creator
    solver: Solver
    meta: Meta
    rewriter: TextModel
    """Whom the creator's operators have write."""
    network: Network
    """The rewriter's own, where it learns."""
    rollouts: Rollouts
    anchoring: Anchoring
    reviewing: Reviewing
    win_rates: WinRates | NoWinRates
    policies: Policies
    clock: Clock
    concluding: Concluding
    dealt: Sequence[Prompt]
    """The originals, until the ledger has them."""
    originals: LazyPrompts
    """The originals, from then on."""
    heldout: Sequence[Prompt]
    recorded: Sequence[Group]
    listener: Listener = nobody
    """Told of what models write and answer while a round is composed, which yields nothing till
    it is whole."""

    def is_last(self, t: int) -> bool:
        """Does the run end with round t, by its number or for a reason that the ledger holds?"""
        return t >= self.config.rounds or self.ledger.ending(t) is not None


def play_round(game: Game, t: int) -> Iterator[Event]:
    """One turn of the game. Round 0 only lays the table and evaluates the first policy."""
    refills = (refill,) if game.config.solver.refill else ()
    coaching = (coach,) if game.config.creator.training.enabled else ()
    meta = game.config.meta
    anchors = (anchor,) if meta.review.enabled else ()
    reviews = (review,) if meta.review.enabled or meta.monitors.enabled else ()
    ends = (conclude,) if game.concluding.enabled else ()
    turn = (compose, attempt, judge, *refills, *ends, *coaching, learn, *reviews, evaluate, record)
    stages = turn if t else (deal, *anchors, evaluate, record)
    for stage in stages:
        if not game.ledger.stage_done(t, stage.__name__):
            began = time.perf_counter()
            yield from stage(game, t)
            seconds = time.perf_counter() - began
            game.ledger.add_cost(t, stage.__name__, "stage", seconds)
            yield StageDone(
                t, stage.__name__, seconds, game.ledger.stage_metrics(t, stage.__name__)
            )


def deal(game: Game, t: int) -> Iterator[Progress]:
    """Admits the original prompts, the starting rubric, recorded groups and the first policy."""
    with game.ledger.commit(t, "deal") as stage:
        game.ledger.admit(game.dealt)
        game.ledger.add_prompts(game.heldout)
        game.ledger.add_groups(t, TRAIN, 0, game.recorded)
        game.ledger.add_policy(game.solver.version, t, game.policies.save(game.solver), saved=True)
        if game.meta.rubric:
            text = game.meta.rubric.to_yaml()
            game.ledger.add_rubric(
                game.meta.rubric.version, None, text, "accepted", "the run starts with it", t
            )
        stage.metrics = {"originals": len(game.dealt), "heldout": len(game.heldout)}
    yield Progress(t, "deal", 1, 1)


def anchor(game: Game, t: int) -> Iterator[Progress]:
    """The first anchors, on which rubrics are tested."""
    yield Progress(t, "anchor", 0, 1)
    anchors = game.anchoring.first(t, game.meta, game.listener)
    with game.ledger.commit(t, "anchor") as stage:
        stage.metrics = {"anchors": float(append_anchors(game.ledger, t, anchors))}
        stage.metrics[GENERATED] = float(generated_tokens(game.ledger.groups(t, ANCHORS)))
    yield Progress(t, "anchor", 1, 1)


def compose(game: Game, t: int) -> Iterator[Progress]:
    """The creator estimates, samples parents, evolves them, admits children, adds originals."""
    now = Now(t, game.solver.version, game.meta.fingerprint, game.meta.judgings)
    previous, asked = last_judged(game.ledger, t - 1), list[Group]()
    turn, seed = turn_of(game, now, "", asked), game.seed.at(t, "compose")
    composition = game.creator.compose(now, previous, game.originals, turn, seed)
    refuse_barren(t, composition, game.config.max_rejected)
    alarms = evolution_alarms(t, composition)
    with game.ledger.commit(t, "compose") as stage:
        game.ledger.add_composition(t, composition)
        game.ledger.add_judgings(t, now.alike)
        game.ledger.add_alarms(alarms)
        stage.metrics = {**composition.metrics, GENERATED: float(generated_tokens(asked))}
        stage.metrics |= {"alarms": float(len(alarms))} if alarms else {}
    yield Progress(t, "compose", 1, 1)


def turn_of(game: Game, now: Now, prefix: str, asked: list[Group]) -> RoundServices:
    """What the creator may ask for in one composition; `asked` gets all that is answered."""

    def probe(name: str) -> Probe:
        return game.rollouts.probe(now.round, game.meta, prefix + name, asked, game.listener)

    rewriter = RecordedRewriter(
        game.rewriter, game.ledger, now, prefix, game.config.chunk, asked, game.listener
    )
    return RoundServices(estimate=probe(ESTIMATE), probe=probe(GATE), rewriter=rewriter)


def attempt(game: Game, t: int) -> Iterator[Progress]:
    """The solver answers every prompt n times; some rewards need a baseline response beside."""
    prompts = game.ledger.composition(t)
    yield from game.rollouts.answer(t, TRAIN, "train", prompts)
    yield from game.rollouts.baselines(t, BASELINE, prompts)
    with game.ledger.commit(t, "attempt") as stage:
        stage.metrics = response_metrics(game.ledger.groups(t, TRAIN))
        stage.metrics[GENERATED] += generated_tokens(game.ledger.groups(t, BASELINE))


def judge(game: Game, t: int) -> Iterator[Progress]:
    """Meta scores every response."""
    yield from score(game, t)
    with game.ledger.commit(t, "judge") as stage:
        stage.metrics = verdict_metrics(game.ledger.groups(t, TRAIN))


def score(game: Game, t: int) -> Iterator[Progress]:
    """Judges what is not judged yet; pauses the run where too little of the round could be.

    Raises:
        PausedError: the share of missing verdicts is above `max_missing`.
    """
    for label in (TRAIN, BASELINE):
        yield from game.rollouts.judge(t, label, game.meta)
    groups = game.ledger.groups(t, TRAIN)
    missing = verdict_metrics(groups)["missing"]
    if missing > game.config.max_missing:
        for label in (TRAIN, BASELINE):
            game.ledger.clear_verdicts(t, label)
        raise PausedError(
            f"{missing:.0%} of round {t}'s verdicts are missing, more than max_missing="
            f"{game.config.max_missing:.0%}; most often: {commonest_reason(groups)}. The responses "
            f"are kept: {remedy(groups)} or raise max_missing, then run the same command again"
        )


def refill(game: Game, t: int) -> Iterator[Progress]:
    """Further prompts take the places of groups whose rewards are all equal (DAPO)."""
    for k in range(game.config.solver.refill + 1):
        asked = game.ledger.composition(t)
        yield from game.rollouts.answer(t, TRAIN, "train", asked)
        yield from game.rollouts.baselines(t, BASELINE, asked)
        yield from score(game, t)
        added = sum(int(m.value) for m in game.ledger.metrics("refilled", since=t) if m.round == t)
        groups = game.ledger.groups(t, TRAIN)
        lacking = len(groups) - added - sum(map(is_mixed, groups))
        if lacking and k < game.config.solver.refill:
            draw(game, t, k, lacking)
    first = len(groups) - added
    baselines = game.ledger.groups(t, BASELINE)[len(game.solver.with_baseline(asked[:first])) :]
    with game.ledger.commit(t, "refill") as stage:
        tokens = generated_tokens([*groups[first:], *baselines])
        stage.metrics = {"lacking": float(lacking), GENERATED: float(tokens)}


def draw(game: Game, t: int, k: int, count: int) -> None:
    """The creator's k-th further draw of a round, committed before its prompts are asked.

    A draw of its own stage, since the creator never makes a prompt twice that the ledger holds.
    """
    name = f"refill:{k}"
    if game.ledger.stage_done(t, name):
        return
    now = Now(t, game.solver.version, game.meta.fingerprint, game.meta.judgings)
    groups, asked = game.ledger.groups(t, TRAIN), list[Group]()
    turn, seed = turn_of(game, now, f"{name}:", asked), game.seed.at(t, name)
    drawn = game.creator.refill(now, groups, game.originals, count, turn, seed)
    with game.ledger.commit(t, name) as stage:
        game.ledger.extend_composition(t, drawn.prompts, drawn.rejections)
        stage.metrics = {
            **drawn.metrics,
            "refilled": float(len(drawn.prompts)),
            GENERATED: float(generated_tokens(asked)),
        }


def conclude(game: Game, t: int) -> Iterator[Progress]:
    """Is the round the run's last, by what is spent or by a stop condition?"""
    yield Progress(t, "conclude", 0, 1)
    game.concluding.conclude(t)
    yield Progress(t, "conclude", 1, 1)


def coach(game: Game, t: int) -> Iterator[Progress]:
    """The rewriter's replies get what their children are worth; its own network learns from it."""
    yield Progress(t, "coach", 0, 1)
    metric, judging = game.config.creator.training.metric, game.meta.fingerprint
    judged = game.creator.scaled(game.ledger.groups(t, TRAIN))
    found = rewarded_requests(game.ledger, t, metric, game.rewriter.name, judging, judged)
    requests = [request for groups in found.values() for request in groups]
    taught = lesson_of(requests)
    metrics = game.network.learn(t, taught, game.is_last(t))
    with game.ledger.commit(t, "coach") as stage:
        for label, groups in found.items():
            verdicts = [group.verdicts for group in groups]
            game.ledger.add_verdicts(t, label, 0, verdicts, groups[0].fingerprint)
        stage.metrics = coaching_metrics(requests, taught) | metrics
    yield Progress(t, "coach", 1, 1)


def learn(game: Game, t: int) -> Iterator[Progress]:
    """The solver optimises on the round's groups; the new policy version is saved when due."""
    yield Progress(t, "learn", 0, 1)
    groups = lesson(game, t)
    began = time.perf_counter()
    try:
        metrics = game.solver.learn(groups, game.seed.at(t, "learn"))
    except NotFiniteError as error:
        raise kept(error, game.directory, t, game.policies) from error
    seconds = time.perf_counter() - began
    with game.ledger.commit(t, "learn") as stage:
        peak_bytes = game.solver.peak_bytes
        game.ledger.add_cost(t, "learn", "train", seconds, peak_bytes=peak_bytes)
        if game.policies.due(game.solver.version) or game.is_last(t):
            sha256 = game.policies.save(game.solver)
            game.ledger.add_policy(game.solver.version, t, sha256, saved=True)
        stage.metrics = metrics
    yield Progress(t, "learn", 1, 1)


def lesson(game: Game, t: int) -> list[Group]:
    """What round t's learning stage is handed: its judged groups, and the baselines beside.

    Nothing, where only replays are learned from and the round looked at new prompts (robust PLR).
    Where a round is refilled, groups whose rewards are all equal have made place for others. Where
    the rewriter learns and is the solver's network, its rewarded requests are among them.
    """
    groups = game.ledger.groups(t, TRAIN)
    looked = not game.ledger.stage_metrics(t, "compose").get(REPLAYED)
    if game.config.creator.replay.enabled and looked:
        return []
    if game.config.solver.refill:
        groups = [group for group in groups if is_mixed(group)]
    requests = writing_lesson(game.ledger, t) if game.config.creator.trains_policy else []
    return [*groups, *requests, *game.ledger.groups(t, BASELINE)]


def review(game: Game, t: int) -> Iterator[Progress]:
    """Meta looks at the round; where something asks for it, the rubric is reviewed (MPO).

    Raises:
        PausedError: an alarm that asks for a pause has come up.
    """
    outcome = yield from game.reviewing.review(t, game.meta, game.is_last(t), game.listener)
    before = game.ledger.alarms()
    with game.ledger.commit(t, "review") as stage:
        stage.metrics = outcome.write(game.ledger)
    if outcome.adopted:
        game.meta = game.meta.under(outcome.adopted)
    pause_for(outcome.alarms, before)


def evaluate(game: Game, t: int) -> Iterator[Progress]:
    """Every few rounds: the held-out prompts, by the verifier, greedy and sampled; win rates."""
    edge = t == 0 or game.is_last(t)
    metrics: dict[str, float] = {}
    if game.heldout and (edge or t % game.config.evaluation.every == 0):
        plans = samplings(game.config.evaluation, game.config.solver.sampling, edge)
        for label, sampling in plans.items():
            yield from game.rollouts.answer(t, label, "evaluate", game.heldout, sampling)
            yield from game.rollouts.judge(t, label, game.meta.verifier)
            metrics |= accuracy(game.ledger.groups(t, label), label)
        metrics |= yield from game.win_rates.evaluate(t)
    with game.ledger.commit(t, "evaluate") as stage:
        stage.metrics = metrics


def record(game: Game, t: int) -> Iterator[Progress]:
    """The round is over; policy versions that are not to be kept go."""
    with game.ledger.commit(t, "record") as stage:
        stage.metrics = {}
    game.policies.prune()
    yield Progress(t, "record", 1, 1)
