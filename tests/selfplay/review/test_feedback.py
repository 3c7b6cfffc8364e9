"""Claims about feedback, on a real run."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meta.anchors.anchors import AnchorSet
from selfplay.core.errors import ConfigError, DataError, LedgerError
from selfplay.core.types import Group, Prompt, user
from selfplay.ledger import AlarmEntry, Ledger, RunLock
from selfplay.ledger.reading import decoder
from selfplay.paths import LEDGER
from selfplay.review.anchoring import append_anchors, read_anchors
from selfplay.review.feedback import deliver, listing, sample, settle, take_in, write_sample
from selfplay.review.feedback.inbox import refused, taken, waiting
from selfplay.review.feedback.rows import Place
from selfplay.stages.labels import TRAIN
from tests.selfplay.small_runs import digest, play_out


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("played") / "run"
    play_out(directory, "rounds=2")
    return directory


@pytest.fixture
def run(played: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(played, tmp_path / "run"))


def groups(directory: Path, t: int = 1) -> list[Group]:
    with Ledger.open(directory / LEDGER, read_only=True) as ledger:
        ledger.decode = decoder(directory)
        return ledger.groups(t, TRAIN)


def written(path: Path, *rows: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def two_texts(directory: Path) -> tuple[int, Group, int, int]:
    """A group of round 1 with two different responses, and where they are."""
    for p, group in enumerate(groups(directory)):
        for g, response in enumerate(group.responses):
            if response.text != group.responses[0].text:
                return p, group, 0, g
    raise AssertionError("the policy says the same everywhere")


# What rows refer to


def test_a_response_is_named_by_text_id_or_place_and_is_the_same(run: Path, tmp_path: Path) -> None:
    p, group, a, b = two_texts(run)
    text, id_ = group.responses[b].text, group.prompt.id
    rows: list[dict[str, Any]] = [
        {"prompt": group.prompt.text, "response": text, "score": 1},
        {"prompt_id": id_[:9], "response": text, "score": 1},
        {"at": f"1/train/{p}/{b}", "score": 1},
        {"at": f"1/train/{p}/{b}", "prompt_id": id_, "response": text, "score": "1"},
        {"prompt": [{"role": "user", "content": group.prompt.text}], "response": text, "score": 1},
    ]
    for i, row in enumerate(rows):
        delivery = deliver(run, written(tmp_path / f"{i}.jsonl", row))
        (opinion,) = delivery.feedback.opinions
        assert (opinion.prompt, opinion.texts) == (group.prompt, (text,)), row
    assert len(waiting(run)) == 1, "they are the same and were delivered once"
    sides = {"chosen_at": f"1/train/{p}/{b}", "rejected_at": f"1/train/{p}/{a}"}
    delivery = deliver(run, written(tmp_path / "pair.jsonl", sides))
    assert delivery.feedback.opinions[0].texts == (text, group.responses[a].text)


def test_what_was_delivered_needs_no_tokenizer_and_no_search(run: Path, tmp_path: Path) -> None:
    p, group, _, b = two_texts(run)
    deliver(run, written(tmp_path / "a.jsonl", {"at": f"1/train/{p}/{b}", "score": 3}))
    (row,) = map(json.loads, waiting(run)[0].read_text(encoding="utf-8").splitlines())
    assert row["response"] == group.responses[b].text
    assert (row["task"], row["answer"]) == (group.prompt.task, group.prompt.answer)
    shutil.rmtree(run / "policy")
    (anchor,) = take_in(run).anchors
    assert (anchor.prompt.id, anchor.prompt.puzzle) == (group.prompt.id, group.prompt.puzzle)


def test_a_prompt_that_the_run_lacks_is_an_imported_one(run: Path, tmp_path: Path) -> None:
    row = {"prompt": "Never asked", "response": "x", "score": 1}
    delivery = deliver(run, written(tmp_path / "a.jsonl", row))
    assert delivery.feedback.strangers == 1
    (anchor,) = take_in(run).anchors
    assert anchor.prompt.lineage.operator == "imported", "a run goes on with its originals"


def test_an_ambiguous_text_is_refused_with_the_ids(run: Path, tmp_path: Path) -> None:
    twins = [Prompt(user("Twin?"), task, "1") for task in ("a", "b")]
    with Ledger.open(run / LEDGER) as ledger:
        ledger.add_prompts(twins)
    row = {"prompt": "Twin?", "response": "1", "score": 1}
    with pytest.raises(DataError, match=f"{twins[0].id}, {twins[1].id}; name the one"):
        deliver(run, written(tmp_path / "a.jsonl", row))
    meant = deliver(run, written(tmp_path / "b.jsonl", row | {"task": "b", "answer": "1"}))
    assert meant.feedback.opinions[0].prompt.id == twins[1].id


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "q", "response": "a", "scroe": 1}, "no column 'scroe'; did you mean 'score'"),
        ({"prompt": "q", "response": "a", "score": "good"}, "score: expected a number"),
        ({"prompt": "q", "response": "a", "score": True}, "score: expected int or float or str"),
        ({"prompt": "q", "response": "a", "score": float("nan")}, "expected a finite number"),
        ({"prompt": "q", "score": 1}, "expected 'response', or 'at'"),
        ({"response": "a", "score": 1}, "expected a prompt, a prompt_id or the place"),
        ({"prompt_id": "zz", "response": "a", "score": 1}, "expected a prompt's id"),
        ({"prompt_id": "0123456789abcdef", "response": "a", "score": 1}, "found none in this run"),
        ({"at": "train/1", "score": 1}, "expected round/label/group/response"),
        ({"at": "1/train/999/0", "score": 1}, "round 1 has 8 groups 'train'"),
        ({"at": "1/train/0/99", "score": 1}, "the group has 4 responses"),
        ({"at": "1/nothing/0/0", "score": 1}, "its labels are .*train"),
        ({"at": "1/train/0/0", "response": "no", "score": 1}, "is another than the row's"),
        ({"at": "1/train/0/0", "prompt": "no", "score": 1}, "it is not the text of"),
        ({"chosen_at": "1/train/0/0", "rejected_at": "1/train/1/0"}, "the row names two"),
        ({"prompt": "q", "chosen": "a"}, "expected 'rejected', or 'rejected_at'"),
        ({"prompt": "q", "chosen": "a", "rejected": "a"}, "the same twice"),
        ({"prompt": "q", "chosen": "a", "rejected": "b", "score": 1}, "make two rows of it"),
        ({"prompt": "q", "chosen": "a", "rejected": "b", "probability": 0.2}, "swap chosen"),
        ({"prompt": "q", "chosen": "a", "rejected": "b", "tie": True, "probability": 1}, "a tie"),
        ({"prompt": "q", "chosen": "a", "rejected": "b", "tie": "maybe"}, "expected true or false"),
        ({"prompt": "q", "response": "a", "score": 1, "tie": True}, "goes with chosen"),
        ({"prompt": [["user"]], "response": "a", "score": 1}, "a list of \\[role, content\\]"),
        ({"prompt": "q", "response": "a", "score": 1, "scorer": "a\nb"}, "a name on one line"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(
    run: Path, tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    good = {"prompt": "q", "response": "a", "score": 1}
    with pytest.raises(DataError, match=f"line 2: .*{message}"):
        deliver(run, written(tmp_path / "a.jsonl", good, row, good))
    assert waiting(run) == []


def test_a_refusal_names_the_first_lines_and_counts_the_others(run: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", *[{"prompt": "q", "response": "a", "score": "x"}] * 8)
    with pytest.raises(DataError) as refusal:
        deliver(run, path)
    assert [f"line {i}:" in str(refusal.value) for i in range(1, 9)] == [True] * 5 + [False] * 3
    assert str(refusal.value).endswith("and 3 more")


def test_ties_are_read_from_tables_too(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,chosen,rejected,tie\nq,a,b,yes\nq,b,c,\n", encoding="utf-8")
    opinions = deliver(run, path, "bob").feedback.opinions
    assert [getattr(opinion, "probability", None) for opinion in opinions] == [0.5, 1.0]
    assert {opinion.scorer for opinion in opinions} == {"bob"}


# The inbox


def test_feedback_is_delivered_while_the_run_plays_and_leaves_its_ledger_alone(
    run: Path, tmp_path: Path
) -> None:
    before = digest(run)
    with RunLock(run):
        delivery = deliver(run, written(tmp_path / "a.jsonl", {"at": "1/train/0/0", "score": 3}))
    assert delivery.new
    assert delivery.path.parent == run / "feedback"
    assert [path.name for path in (run / "feedback").iterdir()] == [delivery.path.name]
    assert digest(run) == before
    with pytest.raises(LedgerError):
        deliver(tmp_path / "absent", tmp_path / "a.jsonl")


def test_taking_in_twice_gives_the_same_and_settling_moves_what_was_seen(
    run: Path, tmp_path: Path
) -> None:
    p, _, a, b = two_texts(run)
    rows = [{"at": f"1/train/{p}/{g}", "score": g} for g in (a, b)]
    first = deliver(run, written(tmp_path / "a.jsonl", *rows)).path
    intake = take_in(run)
    assert intake.metrics == {"feedback_files": 1.0, "feedback_refused": 0.0}
    anchors = AnchorSet().append(intake.anchors)
    late = deliver(run, written(tmp_path / "b.jsonl", rows[0] | {"scorer": "bob"})).path
    settle(run, intake)
    assert ([x.name for x in taken(run)], waiting(run)) == ([first.name], [late])
    again = take_in(run)
    settle(run, again)
    assert (len(taken(run)), waiting(run)) == (2, [])
    assert take_in(run).metrics == {}
    assert anchors.append(intake.anchors) is anchors
    grown = anchors.append(again.anchors)
    assert grown.append(take_in(run).anchors) is grown
    assert {x.scorer for x in grown.anchors if x.version == 2} == {"bob+human (compared)"}


def test_a_crash_between_commit_and_settling_repeats_nothing(run: Path, tmp_path: Path) -> None:
    deliver(run, written(tmp_path / "a.jsonl", {"at": "1/train/0/0", "score": 3}))
    committed = AnchorSet().append(take_in(run).anchors)
    intake = take_in(run)
    assert committed.append(intake.anchors) is committed
    settle(run, intake)
    settle(run, intake)
    assert [path.name for path in taken(run)] == list(intake.files)


def test_comparisons_of_two_files_are_put_on_one_scale(run: Path, tmp_path: Path) -> None:
    for i, (chosen, rejected) in enumerate((("a", "b"), ("b", "c"))):
        row = {"prompt": "q", "chosen": chosen, "rejected": rejected}
        deliver(run, written(tmp_path / f"{i}.jsonl", row))
        settle(run, take_in(run))
    found = {anchor.response: anchor.score for anchor in take_in(run).anchors}
    assert found["a"] > found["b"] > found["c"]


def test_the_same_feedback_is_delivered_once(run: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", {"at": "1/train/0/0", "score": 3})
    first = deliver(run, path)
    assert not deliver(run, path).new
    settle(run, take_in(run))
    again = deliver(run, path)
    assert (again.new, again.path.name) == (False, first.path.name)
    assert waiting(run) == []


def test_a_damaged_file_is_set_aside_with_the_reason_and_the_others_are_taken(
    run: Path, tmp_path: Path
) -> None:
    good = deliver(run, written(tmp_path / "a.jsonl", {"at": "1/train/0/0", "score": 3})).path
    inbox = run / "feedback"
    (inbox / "0-cut.jsonl").write_bytes(good.read_bytes()[:-20])
    (inbox / "0-binary.jsonl").write_bytes(b"\xff\xfe\x00")
    (inbox / "0-empty.jsonl").write_bytes(b"")
    (inbox / "half-way.partial").write_text("{", encoding="utf-8")
    (inbox / "folder.jsonl").mkdir()
    intake = take_in(run)
    assert [anchor.score for anchor in intake.anchors] == [3.0]
    assert set(intake.refused) == {
        *("0-cut.jsonl", "0-binary.jsonl", "0-empty.jsonl", "folder.jsonl")
    }
    settle(run, intake)
    assert {path.name for path in refused(run)} == set(intake.refused)
    assert "line 1: expected one JSON object" in (
        inbox / "refused" / "0-cut.jsonl.reason.txt"
    ).read_text(encoding="utf-8")
    assert waiting(run) == []
    assert (inbox / "half-way.partial").exists()
    assert deliver(run, written(tmp_path / "b.jsonl", {"at": "1/train/0/0", "score": 4})).new


def test_an_inbox_that_cannot_be_written_does_not_stop_the_run(run: Path, tmp_path: Path) -> None:
    deliver(run, written(tmp_path / "a.jsonl", {"at": "1/train/0/0", "score": 3}))
    (run / "feedback" / "taken").write_text("in the way", encoding="utf-8")
    intake = take_in(run)
    settle(run, intake)
    assert len(waiting(run)) == 1
    assert take_in(run) == intake


def test_a_run_without_feedback_is_not_read(tmp_path: Path) -> None:
    assert take_in(tmp_path).anchors == ()
    assert list(tmp_path.iterdir()) == []


def test_the_list_says_what_waits_was_taken_and_was_refused(run: Path, tmp_path: Path) -> None:
    deliver(run, written(tmp_path / "a.jsonl", {"at": "1/train/0/0", "score": 3}))
    (run / "feedback" / "9-odd.jsonl").write_text("{", encoding="utf-8")
    assert [(e.state, bool(e.reason)) for e in listing(run)] == [
        ("waiting", False),
        ("waiting", True),
    ]
    settle(run, take_in(run))
    found = listing(run)
    assert [(e.state, e.ratings, e.scorers) for e in found] == [
        ("taken", 1, ("human",)),
        ("refused", 0, ()),
    ]
    assert "expected one JSON object" in found[1].reason


# A live run


def reviewed(directory: Path, crashed: bool = False) -> int:
    """What a review does with feedback, and, after a crash before it settled, the next one too."""
    intake = take_in(directory)
    with Ledger.open(directory / LEDGER) as ledger:
        appended = append_anchors(ledger, 2, intake.anchors)
    if crashed:
        return appended + reviewed(directory)
    settle(directory, intake)
    return appended


def test_a_run_goes_on_with_what_it_took_in_however_it_stopped(run: Path, tmp_path: Path) -> None:
    p, group, a, b = two_texts(run)
    rows: list[dict[str, Any]] = [{"at": f"1/train/{p}/{g}", "score": g} for g in (a, b)]
    rows.append({"prompt": "Never asked", "chosen": "x", "rejected": "y"})
    assert not deliver(run, written(tmp_path / "a.jsonl", *rows)).reviews
    with Ledger.open(run / LEDGER, read_only=True) as ledger:
        originals = ledger.ids_made_by("original")
    other = Path(shutil.copytree(run, tmp_path / "other"))
    assert reviewed(run) == reviewed(other, crashed=True) == 4
    assert digest(run) == digest(other)
    assert waiting(run) == waiting(other) == []
    assert play_out(run, "rounds=3") == play_out(other, "rounds=3")
    with Ledger.open(run / LEDGER, read_only=True) as ledger:
        assert ledger.ids_made_by("original") == originals
        found = read_anchors(ledger)
    counting = {anchor.key: anchor.score for anchor in found.anchors}
    texts = [group.responses[g].text for g in (a, b)]
    assert [counting[group.prompt.id, text] for text in texts] == [a, b]


# Samples


def rewards(directory: Path, rows: Sequence[Any], t: int) -> list[float]:
    found = groups(directory, t)
    return [float(found[row.place.group].rewards[row.place.response]) for row in rows]


def test_a_sample_has_low_and_high_responses_of_each_of_its_prompts(run: Path) -> None:
    rows = sample(run, count=6)
    assert {row.place.round for row in rows} == {2}
    mixed = [p for p, g in enumerate(groups(run, 2)) if np.ptp(g.rewards)]
    for p in {row.place.group for row in rows}:
        own = [row for row in rows if row.place.group == p]
        assert len(own) >= 2
        assert len({row.response for row in own}) == len(own)
        if p in mixed:
            assert np.ptp(rewards(run, own, 2)) > 0
    assert [row.place for row in rows] == [row.place for row in sample(run, count=6)]
    others = [sample(run, count=6, seed=s) for s in range(1, 5)]
    assert any([r.place for r in rows] != [r.place for r in other] for other in others)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 7, 8, 11])
def test_no_response_of_a_sample_stands_alone(run: Path, count: int) -> None:
    rows = sample(run, count, t=1)
    own = [row.place.group for row in rows]
    assert all(own.count(p) >= 2 for p in own)
    assert len(rows) <= count


def test_a_sample_of_suspects_has_another_response_beside_each(run: Path) -> None:
    p, group, _, b = two_texts(run)
    with pytest.raises(DataError, match="expected alarms that suspect some responses"):
        sample(run, suspects=True)
    with Ledger.open(run / LEDGER) as ledger:
        suspects = tuple((p, g) for g, r in enumerate(group.responses) if g == b)
        ledger.add_alarms([AlarmEntry(1, "long", "tell", "", 1.0, 0.0, 0.01, suspects)])
    rows = sample(run, suspects=True)
    assert [(row.place, row.alarm) for row in rows[:1]] == [(Place(1, TRAIN, p, b), "long")]
    assert [row.alarm for row in rows[1:]] == [""]
    assert rows[1].response != rows[0].response


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_sample_that_was_filled_in_is_feedback(run: Path, tmp_path: Path, kind: str) -> None:
    rows, path = sample(run, count=5), tmp_path / f"sample.{kind}"
    write_sample(rows, path)
    with pytest.raises(DataError, match="found 5 blank rows"):
        deliver(run, path)
    if kind == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            filled: list[dict[str, Any]] = list(csv.DictReader(file))
    else:
        filled = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert "reward" not in filled[0]
    for row in filled[:3]:
        row |= {"score": "4", "scorer": "ann", "note": "said aloud"}
    with (tmp_path / "filled.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(filled[0]))
        writer.writeheader()
        writer.writerows(row | {"prompt": rows[i].prompt.text} for i, row in enumerate(filled))
    delivery = deliver(run, tmp_path / "filled.csv")
    assert delivery.feedback.blank == 2
    assert [(o.prompt.id, o.texts[0], o.note) for o in delivery.feedback.opinions] == [
        (row.prompt.id, row.response, "said aloud") for row in rows[:3]
    ]


def test_a_table_computes_nothing_that_a_model_wrote(run: Path, tmp_path: Path) -> None:
    (row,) = sample(run, count=2)[:1]
    odd = type(row)(row.place, row.prompt, "=HYPERLINK(1)")
    write_sample([odd], tmp_path / "a.csv")
    assert "'=HYPERLINK(1)" in (tmp_path / "a.csv").read_text(encoding="utf-8")


def test_a_sample_overwrites_nobodys_scores(run: Path, tmp_path: Path) -> None:
    rows = sample(run, count=2)
    write_sample(rows, tmp_path / "a.jsonl")
    with pytest.raises(DataError, match="may hold scores"):
        write_sample(rows, tmp_path / "a.jsonl")
    with pytest.raises(ConfigError, match=r"expected a \.jsonl or \.csv"):
        write_sample(rows, tmp_path / "a.xlsx")
    with pytest.raises(ConfigError, match="2 or more"):
        sample(run, count=1)
    with pytest.raises(DataError, match="round 9: expected prompts with two"):
        sample(run, t=9)
