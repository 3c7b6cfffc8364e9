"""Small MPO runs: a server judges by whatever rubric it is shown, and reviews it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meta.rubrics.rubric import Criterion, Rubric
from selfplay.build import open_game
from selfplay.config import Loaded, load_config
from selfplay.config.settings import RunConfig
from selfplay.events import StageDone
from selfplay.loop import play
from tests.meta.judged_groups import graded, response_in
from tests.meta.reviewed import as_asked, quoted
from tests.model_server import Answer, Served, completion

NEAT = Criterion("neat", "Is it one neat word that ends softly?", 1.0, (0.0, 5.0), kind="judge")
BACKWARDS = {
    "id": "backwards",
    "text": "Does it spell the word that was given from its end to its beginning?",
    "weight": 9,
    "range": [0, 5],
    "sign": "reward",
}
LONG = {**BACKWARDS, "id": "long", "text": "Does it take its time?"}
KEPT = {"id": "neat", "text": NEAT.text, "weight": 1, "range": [0, 5], "sign": "reward"}
BETTER, WORSE = [KEPT, BACKWARDS], [KEPT, LONG]

SMALL = (
    "rounds=3",
    "chunk=8",
    "model.threads=1",
    "prompts.count=96",
    "creator.batch=12",
    "solver.sampling.n=4",
    "solver.sampling.max_new_tokens=12",
    "evaluation.every=1",
    "evaluation.samples=1",
    "evaluation.source.count=4",
    "save.every=1",
    "meta.monitors.watch=[gap,characters]",
    "meta.monitors.audit=4",
    "meta.review.anchors={name: sampled, prompts: 96, samples: 3}",
    "meta.review.fresh=8",
    "meta.review.every=2",
    "meta.review.on_alarm=false",
    "meta.review.plateau=0",
    "meta.review.rest=1",
    "meta.review.gate={least_prompts: 4, least_changed: 3, exploit_prompts: 4}",
)
PATIENCE = "retries: 1, timeout: 20, concurrency: 4"
REVIEWER = "{name: llm, rollouts: 4}"


def write_rubric(directory: Path, *criteria: Criterion) -> Path:
    path = directory / "first.yaml"
    path.write_text(Rubric(criteria or (NEAT,), "words").to_yaml(), encoding="utf-8")
    return path


def endpoint(served: Served, name: str, patience: str = PATIENCE) -> str:
    """A model of the server, asked impatiently."""
    return (
        f"{{name: endpoint, model: {name}, base_url: '{served.url}', backoff: 0.01, "
        f"longest_wait: 0.02, breaker: 0, {patience}}}"
    )


def overrides(served: Served, rubric: Path, patience: str = PATIENCE) -> list[str]:
    """What makes the loophole a run that the server judges and reviews."""
    return [
        *SMALL,
        f"meta.rubric={rubric}",
        f"meta.judge={{name: rubric_llm, model: {endpoint(served, 'judge', patience)}}}",
        f"meta.review.model={endpoint(served, 'reviewer', patience)}",
        f"meta.review.reviewer={REVIEWER}",
    ]


def loop(served: Served, rubric: Path, *more: str, patience: str = PATIENCE) -> Loaded[RunConfig]:
    """The configuration of such a run."""
    return load_config("loophole", [*overrides(served, rubric, patience), *more])


def scores(word: str, response: str) -> dict[str, float]:
    """What a sensible judge gives by each criterion that is ever asked."""
    right = "".join(reversed(word))
    same = sum(a == b for a, b in zip(right, response, strict=False))
    turned = 5.0 if response == right else 2.0 * same / max(len(right), len(response), 1)
    return {
        "neat": 5.0 * response.endswith(("a", "e", "i", "o", "u", "n", "r", "s")),
        "backwards": turned,
        "turned": turned,
        "long": float(min(len(response), 5)),
    }


def asked_criteria(body: dict[str, Any]) -> list[str]:
    """What the structured output that was asked for has to score."""
    schema = body["response_format"]["json_schema"]["schema"]
    return list(schema["properties"]["criteria"]["required"])


def word_in(body: dict[str, Any]) -> str:
    """The word that the judged prompt gives."""
    found = re.findall(r"[A-Za-z]+", quoted(body, "prompt"))
    return str(found[-1])


def judged(body: dict[str, Any]) -> dict[str, Any]:
    """A sensible judge's reply."""
    given = scores(word_in(body), response_in(body))
    return graded(body, **{name: given[name] for name in asked_criteria(body)})


@dataclass
class Mind:
    """What the server does; tests change it while it runs."""

    wants: Sequence[dict[str, Any]] = tuple(BETTER)
    """Criteria that the reviewing model proposes."""
    before: Callable[[dict[str, Any]], Answer | None] = lambda body: None
    """Looks at a request first, and may answer it."""

    def __call__(self, body: dict[str, Any]) -> Answer:
        return self.before(body) or sensible(body, self.wants)

    def recover(self) -> None:
        """As sensible as in the beginning."""
        self.wants, self.before = BETTER, lambda body: None


def sensible(body: dict[str, Any], wants: Sequence[dict[str, Any]]) -> Answer:
    """A judge's reply, or that of a reviewing model that wants these criteria."""
    if body["model"] == "reviewer":
        return completion(as_asked(body, list(wants)))
    return completion(json.dumps(judged(body)))


@dataclass
class Played:
    """A run that was played, and the requests of each of its stages."""

    digest: str
    stages: dict[tuple[int, str], list[dict[str, Any]]]

    def asked(self, t: int, stage: str, model: str) -> list[dict[str, Any]]:
        return [body for body in self.stages[t, stage] if body["model"] == model]


def play_out(loaded: Loaded[RunConfig], directory: Path, served: Served) -> Played:
    """Plays to the end."""
    stages, start = {}, len(served.requests)
    with open_game(loaded, directory) as game:
        for event in play(game):
            if isinstance(event, StageDone):
                stages[event.round, event.stage] = served.requests[start:]
                start = len(served.requests)
        return Played(game.ledger.digest(), stages)


def counted(requests: Iterable[dict[str, Any]]) -> Counter[str]:
    """How often each request came."""
    return Counter(json.dumps(body, sort_keys=True) for body in requests)
