"""Files of feedback: rows that training reads, going on after an end, what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from selfplay.config import load_config
from selfplay.core.errors import ConfigError, EndpointError, LedgerError
from selfplay.core.seeding import Seed
from selfplay.data.recorded import read_recorded, to_group
from selfplay.offline.rlaif.config import LabelConfig
from selfplay.offline.rlaif.label import label, labelling
from selfplay.offline.rlaif.revise import revise
from selfplay.offline.rlaif.writing import JOB, MISSING, Done
from selfplay.offline.train import train
from solver.examples.pairs import all_pairs
from solver.examples.table import AllPairsOptions
from tests.conftest import make_tiny_model
from tests.meta.judged_groups import asked_text
from tests.meta.test_revising import told
from tests.model_server import Answer, completion, serving

SUBJECTS = ("ants", "bees", "cats", "dogs", "eels", "fish", "gnus")


@pytest.fixture(scope="module")
def judge_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("judge") / "tiny", seed=12, context=2048)


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def prompts(tmp_path: Path) -> Path:
    rows = [{"prompt": f"Why do {s} eat?", "answer": "42", "source": s} for s in SUBJECTS]
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    return write(tmp_path / "prompts.jsonl", [*rows, {"prompt": chat, "answer": "me"}])


def responses(tmp_path: Path) -> Path:
    rows = [
        {"prompt": f"Why do {s} eat?", "responses": [f"{s} are hungry", "who knows", "who knows"]}
        for s in SUBJECTS
    ]
    return write(tmp_path / "responses.jsonl", rows)


def served_by(url: str) -> list[str]:
    model = f"{{name: endpoint, model: m, base_url: '{url}', retries: 0, backoff: 0.0}}"
    return [f"model={model}", "revisions=2", "chunk=3", "sampling.max_new_tokens=64"]


def moody(body: dict[str, Any]) -> Answer:
    """Cannot answer about cats."""
    return Answer("no", 400) if "cats" in asked_text(body) else completion(told(body))


def test_revised_answers_are_demonstrations_with_their_whole_chain(tmp_path: Path) -> None:
    with serving(moody) as server:
        made = revise(prompts(tmp_path), tmp_path / "out", served_by(server.url))
    assert (made.count, made.items) == (7, 8)
    assert list(made.missing.values()) == [1]
    rows = rows_of(made.rows)
    first, last = rows[0], rows[-1]
    assert first["completion"] == f"{first['first_answer']}++"
    assert (first["answer"], first["source"]) == ("42", "ants")
    assert [step["revision"].count("+") for step in first["steps"]] == [1, 2]
    assert {step["principle"] for row in rows for step in row["steps"]} >= {"honest", "plain"}
    assert last["prompt"][0] == {"role": "system", "content": "Be brief."}
    (missing,) = rows_of(tmp_path / "out" / MISSING)
    assert (missing["source"], missing["steps"]) == ("cats", [])
    assert missing["reason"].startswith("answer: no usable reply")
    records = read_recorded(made.rows, "auto")
    assert [record.responses for record in records] == [(row["completion"],) for row in rows]
    assert records[0].prompt.answer == "42"


def test_a_job_that_was_cut_off_goes_on_to_the_same_files(tmp_path: Path) -> None:
    data, seen, down = prompts(tmp_path), list[Done](), [False]

    def behave(body: dict[str, Any]) -> Answer:
        second_chunk = any(subject in asked_text(body) for subject in ("dogs", "eels", "fish"))
        return Answer("down", 503) if down[0] and second_chunk else moody(body)

    with serving(behave) as server:
        overrides = served_by(server.url)
        whole = revise(data, tmp_path / "whole", overrides, watch=seen.append)
        assert [done.done for done in seen] == [0, 3, 6, 8]
        down[0] = True
        with pytest.raises(EndpointError):
            revise(data, tmp_path / "cut", overrides)
        with (tmp_path / "cut" / whole.rows.name).open("a") as file:
            file.write('{"prompt": "half a li')
        down[0] = False
        before = len(server.requests)
        cut = revise(data, tmp_path / "cut", overrides, watch=seen.append)
        assert [done.done for done in seen[4:]] == [3, 6, 8]
        assert not any("ants" in asked_text(body) for body in server.requests[before:])
        again = len(server.requests)
        assert revise(data, tmp_path / "cut", overrides).count == cut.count == whole.count == 7
        assert len(server.requests) == again
    for name in (whole.rows.name, MISSING):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "cut" / name).read_text()


def labelled(judge_dir: Path, *more: str) -> list[str]:
    model = f"judge.model={{name: transformers, path: '{judge_dir}', device: cpu}}"
    return [model, "judge.least_mass=0", *more]


def test_labels_are_comparisons_with_soft_labels_under_principles(
    judge_dir: Path, tmp_path: Path
) -> None:
    overrides = labelled(judge_dir, "judge.principles=plain", "chunk=3")
    made = label(responses(tmp_path), tmp_path / "out", overrides)
    rows = rows_of(made.rows)
    # Equal responses are one, so there is one comparison a prompt.
    assert (made.count, made.items, dict(made.missing)) == (7, 7, {})
    for row, subject in zip(rows, SUBJECTS, strict=True):
        assert {row["chosen"], row["rejected"]} == {f"{subject} are hungry", "who knows"}
        assert 0.5 <= row["probability"] <= 1.0
        assert abs(row["lean"]) <= 0.5
        assert sorted(row["positions"]) == [0, 1]
    assert len({row["principle"] for row in rows}) > 1
    assert len({row["judge"] for row in rows}) == 1
    record = read_recorded(made.rows, "auto")[0]
    assert record.probability == rows[0]["probability"]
    group = to_group(record)
    wins = [verdict.scores for verdict in group.verdicts]
    assert wins[0]["win/1"] + wins[1]["win/0"] == pytest.approx(1.0)
    ((pair,),) = [all_pairs(AllPairsOptions())([group], Seed(0)).pairs]
    assert (pair.chosen, pair.margin) == (0, 1.0)


def test_labelling_in_two_goes_makes_the_file_of_one(judge_dir: Path, tmp_path: Path) -> None:
    data = responses(tmp_path)
    overrides = [f"data={data}", *labelled(judge_dir, "chunk=2")]
    loaded = load_config(None, overrides, LabelConfig)
    for _ in islice(labelling(loaded, tmp_path / "cut"), 3):
        pass
    assert len(rows_of(tmp_path / "cut" / "comparisons.jsonl")) == 4
    cut = label(data, tmp_path / "cut", overrides[1:])
    whole = label(data, tmp_path / "whole", overrides[1:])
    assert cut.rows.read_text() == whole.rows.read_text()


def test_another_job_in_the_same_directory_is_refused(judge_dir: Path, tmp_path: Path) -> None:
    data = responses(tmp_path)
    label(data, tmp_path / "out", labelled(judge_dir))
    label(data, tmp_path / "out", labelled(judge_dir, "chunk=5"))
    with pytest.raises(LedgerError, match=r"these differ: config\.judge\.clamp, judge"):
        label(data, tmp_path / "out", labelled(judge_dir, "judge.clamp=0.1"))
    (tmp_path / "out" / JOB).unlink()
    with pytest.raises(LedgerError, match=r"found comparisons\.jsonl, missing\.jsonl without"):
        label(data, tmp_path / "out", labelled(judge_dir))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("judge.model=policy", r"judge\.model: expected a model of its own"),
        ("judge.against=reference", r"judge\.against: expected others"),
        ("judge.clamp=0.7", r"judge\.clamp: expected 0 or more and below 0\.5"),
        ("chunk=0", "chunk: expected 1 or more"),
    ],
)
def test_what_cannot_be_labelled_is_refused_before_a_model_is_loaded(
    tmp_path: Path, override: str, message: str
) -> None:
    own = ["judge.model={name: transformers, path: absent}", override]
    with pytest.raises(ConfigError, match=message):
        label(responses(tmp_path), tmp_path / "out", own)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("probability", [0.4, 1.2, "sure", True])
def test_a_label_that_is_none_is_refused_with_its_line(tmp_path: Path, probability: object) -> None:
    row = {"prompt": "a", "chosen": "b", "rejected": "c", "probability": probability}
    with pytest.raises(ValueError, match=r"line 1: expected a probability from 0\.5 to 1"):
        read_recorded(write(tmp_path / "rows.jsonl", [row]), "auto")


def test_a_real_model_revises_and_what_it_revised_can_be_imitated(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    writer = make_tiny_model(tmp_path / "writer", context=2048)
    overrides = [
        *(f"model={writer}", "revisions=1", "sampling.temperature=5"),
        *("sampling.max_new_tokens=120", "seed=1"),
    ]
    made = revise(prompts(tmp_path), tmp_path / "out", overrides)
    assert made.count >= 1
    assert made.count + sum(made.missing.values()) == 8
    assert any("the reply was cut off" in reason for reason in made.missing)
    learned = [f"model={tiny_model_dir}", "model.device=cpu", "model.threads=1"]
    trained = train(made.rows, tmp_path / "sft", [*learned, "solver.objective=sft"])
    assert trained.batches[0]["steps"] >= 1
