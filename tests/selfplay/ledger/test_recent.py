"""What is kept in memory equals what a fresh reader finds in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selfplay.core.errors import LedgerError
from selfplay.core.types import Composition, Group, Prompt, Response, Verdict, user
from selfplay.ledger import Ledger

PROMPTS = [Prompt(user(f"question {i}"), answer=str(i)) for i in range(6)]


def group(prompt: Prompt) -> Group:
    answer = Response(
        "ab", np.array([97, 98], dtype=np.int32), np.array([-1.0, -0.5], dtype=np.float32), "stop"
    )
    return Group(prompt, (answer, answer), "train", policy_version=3)


def decode(tokens: object) -> list[str]:
    return ["".join(map(chr, ids)) for ids in tokens]  # type: ignore[attr-defined]


def plain(groups: list[Group]) -> list[object]:
    return [
        (
            g.prompt,
            g.purpose,
            g.policy_version,
            g.verdicts,
            g.fingerprint,
            [(r.text, r.token_ids.tolist(), r.finish_reason) for r in g.responses],
            [r.logprobs.tolist() for r in g.responses if r.logprobs is not None],
        )
        for g in groups
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Ledger.create(tmp_path / "ledger.db", {}, {}).close()
    return tmp_path / "ledger.db"


def test_groups_kept_while_writing_are_those_in_the_file(path: Path) -> None:
    verdicts = [(Verdict(1.0, scores={"a": 0.5}), Verdict.missing("time-out"))] * 2
    with Ledger.open(path) as ledger:
        ledger.decode = decode
        for start in (0, 2, 4):
            ledger.add_groups(1, "train", start, [group(p) for p in PROMPTS[start : start + 2]])
        for start in (0, 2, 4):
            ledger.add_verdicts(1, "train", start, verdicts, "judge")
        kept = plain(ledger.groups(1, "train"))
    with Ledger.open(path, read_only=True) as ledger:
        ledger.decode = decode
        assert plain(ledger.groups(1, "train")) == kept


def test_a_chunk_after_a_crash_does_not_hide_the_chunks_before_it(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.decode = decode
        ledger.add_groups(1, "train", 0, [group(p) for p in PROMPTS[:2]])
    with Ledger.open(path) as ledger:
        ledger.decode = decode
        ledger.add_groups(1, "train", 2, [group(p) for p in PROMPTS[2:4]])
        assert [g.prompt for g in ledger.groups(1, "train")] == PROMPTS[:4]


def test_a_rolled_back_transaction_leaves_nothing_behind(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.decode = decode
        with pytest.raises(LedgerError, match="expected one verdict"), ledger.transaction():  # noqa: PT012 — the crash must come after a write
            ledger.add_groups(1, "train", 0, [group(PROMPTS[0])])
            ledger.add_verdicts(1, "train", 0, [[Verdict(1.0)]], "judge")
        assert ledger.groups(1, "train") == []


def test_a_reader_sees_what_another_process_writes_later(path: Path) -> None:
    with Ledger.open(path) as writer, Ledger.open(path, read_only=True) as reader:
        reader.decode = decode
        writer.add_groups(1, "train", 0, [group(PROMPTS[0])])
        assert len(reader.groups(1, "train")) == 1
        writer.add_groups(1, "train", 1, [group(PROMPTS[1])])
        assert len(reader.groups(1, "train")) == 2


def test_prompts_keep_the_order_asked_for_whether_known_or_read(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.add_composition(1, Composition(tuple(PROMPTS)))
        ids = [prompt.id for prompt in PROMPTS]
        assert ledger.prompts(ids[:2]) == PROMPTS[:2]
        assert ledger.prompts([ids[3], ids[0], ids[3]]) == [PROMPTS[3], PROMPTS[0], PROMPTS[3]]
        assert ledger.composition(1) == tuple(PROMPTS)
