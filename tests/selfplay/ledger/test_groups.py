"""Claims about groups: exact round trips, chunks, judging, derived texts."""

from __future__ import annotations

import string
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from selfplay.core.errors import LedgerError
from selfplay.core.types import (
    Comparison,
    Group,
    Lineage,
    Message,
    Prompt,
    Puzzle,
    Response,
    Verdict,
)
from selfplay.ledger import Ledger

MakeGroup = Callable[..., Group]
MakeVerdicts = Callable[..., list[Verdict]]
Same = Callable[[Sequence[Group], Sequence[Group]], None]

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=5)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(0, 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
PUZZLES = st.builds(
    Puzzle,
    NAMES,
    st.lists(st.tuples(NAMES, INTEGERS | FINITE), max_size=3).map(tuple),
    st.integers(),
)
LINEAGES = st.builds(
    Lineage,
    st.lists(NAMES, max_size=3).map(tuple),
    NAMES,
    st.text(max_size=5),
    INTEGERS,
    INTEGERS,
    INTEGERS,
    st.text(max_size=5),
)
PROMPTS = st.builds(
    Prompt,
    st.lists(st.builds(Message, NAMES, st.text(max_size=20)), min_size=1, max_size=3).map(tuple),
    st.text(max_size=5),
    st.none() | st.text(max_size=5),
    st.none() | PUZZLES,
    st.dictionaries(st.text(max_size=4), JSON, max_size=3),
    LINEAGES,
)
VERDICTS = st.builds(
    Verdict,
    FINITE,
    st.text(max_size=5),
    st.dictionaries(NAMES, FINITE, max_size=2),
    st.lists(st.text(max_size=5), max_size=2).map(tuple),
) | st.text(min_size=1).map(Verdict.missing)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    size = draw(st.integers(0, 6))
    logprobs = arrays(np.float32, size, elements=st.floats(width=32))
    return Response(
        draw(st.text(max_size=10)),
        draw(arrays(np.int32, size)),
        draw(st.none() | logprobs),
        draw(st.sampled_from(["stop", "length", "recorded"])),
    )


@st.composite
def groups(draw: st.DrawFn) -> Group:
    answers = tuple(draw(st.lists(responses(), min_size=1, max_size=3)))
    purpose = draw(st.sampled_from(["train", "estimate", "evaluate"]))
    group = Group(draw(PROMPTS), answers, purpose, draw(INTEGERS))
    if draw(st.booleans()):
        return group
    n = len(answers)
    return group.judged(draw(st.lists(VERDICTS, min_size=n, max_size=n)), draw(st.text(max_size=5)))


@settings(max_examples=25, deadline=None)
@given(st.lists(groups(), max_size=4, unique_by=lambda group: group.prompt.id))
def test_groups_round_trip_exactly(written: list[Group]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        with Ledger.create(path, {}, {}) as ledger:
            ledger.add_groups(1, "train", 0, written)
        with Ledger.open(path, read_only=True) as again:
            found = again.groups(1, "train")
    assert [g.prompt for g in found] == [g.prompt for g in written]
    assert [g.prompt.puzzle for g in found] == [g.prompt.puzzle for g in written]
    assert [g.verdicts for g in found] == [g.verdicts for g in written]
    for group, other in zip(found, written, strict=True):
        assert (group.purpose, group.policy_version) == (other.purpose, other.policy_version)
        assert group.fingerprint == other.fingerprint
        for response, wanted in zip(group.responses, other.responses, strict=True):
            assert (response.text, response.finish_reason) == (wanted.text, wanted.finish_reason)
            np.testing.assert_array_equal(response.token_ids, wanted.token_ids, strict=True)
            assert (response.logprobs is None) == (wanted.logprobs is None)
            if response.logprobs is not None:
                np.testing.assert_array_equal(response.logprobs, wanted.logprobs, strict=True)


def test_texts_are_derived_from_token_ids(
    ledger: Ledger, group: MakeGroup, same_groups: Same
) -> None:
    ledger.add_groups(1, "train", 0, [group(0), group(1)])
    ledger.forget()
    same_groups(ledger.groups(1, "train"), [group(0), group(1)])
    ledger.decode = lambda batch: [f"{len(ids)} tokens" for ids in batch]
    ledger.forget()
    assert ledger.groups(1, "train")[0].responses[0].text == "10 tokens"


def test_a_text_without_token_ids_is_stored(ledger: Ledger, group: MakeGroup) -> None:
    bare = Response("from a server", np.zeros(0, np.int32), None, "stop")
    recorded = Response("as scored ", np.array([65], np.int32), None, "recorded")
    ledger.add_groups(1, "train", 0, [Group(group(0).prompt, (bare, recorded), "train", 0)])
    (found,) = ledger.groups(1, "train")
    assert [response.text for response in found.responses] == ["from a server", "as scored "]


def test_texts_that_cannot_be_derived_are_an_error(ledger: Ledger, group: MakeGroup) -> None:
    ledger.add_groups(1, "train", 0, [group(0)])
    ledger.decode = None
    ledger.forget()
    with pytest.raises(LedgerError, match=r"texts of 3 responses.*set `ledger\.decode`"):
        ledger.groups(1, "train")


def test_read_arrays_are_writable(ledger: Ledger, group: MakeGroup) -> None:
    ledger.add_groups(1, "train", 0, [group(0)])
    response = ledger.groups(1, "train")[0].responses[0]
    assert response.logprobs is not None
    assert response.token_ids.flags.writeable
    assert response.logprobs.flags.writeable


def test_chunks_join_in_position_order(ledger: Ledger, group: MakeGroup, same_groups: Same) -> None:
    ledger.add_groups(1, "train", 2, [group(2)])
    ledger.add_groups(1, "train", 0, [group(0), group(1)])
    ledger.add_groups(1, "probe:0", 0, [group(7)])
    same_groups(ledger.groups(1, "train"), [group(0), group(1), group(2)])
    assert ledger.group_count(1, "train") == 3
    assert ledger.labels(1) == ["probe:0", "train"]


def test_verdicts_may_come_later_and_in_chunks(
    ledger: Ledger, group: MakeGroup, verdicts: MakeVerdicts, same_groups: Same
) -> None:
    ledger.add_groups(1, "train", 0, [group(i, judged=False) for i in range(3)])
    ledger.add_verdicts(1, "train", 0, [verdicts(0), verdicts(1)], "judge-1")
    assert ledger.judged_count(1, "train") == 2
    assert ledger.groups(1, "train")[2].verdicts == ()
    ledger.add_verdicts(1, "train", 2, [verdicts(2)], "judge-1")
    same_groups(ledger.groups(1, "train"), [group(i) for i in range(3)])


def test_a_group_is_judged_once(
    ledger: Ledger, group: MakeGroup, verdicts: MakeVerdicts, same_groups: Same
) -> None:
    ledger.add_groups(1, "train", 0, [group(0)])
    with pytest.raises(LedgerError, match="written twice"):
        ledger.add_verdicts(1, "train", 0, [verdicts(5)], "judge-2")
    same_groups(ledger.groups(1, "train"), [group(0)])


def test_cleared_groups_can_be_judged_again(
    ledger: Ledger, group: MakeGroup, verdicts: MakeVerdicts, same_groups: Same
) -> None:
    ledger.add_groups(1, "greedy", 0, [group(3)])
    ledger.add_groups(1, "train", 0, [group(0, judged=False)])
    before = ledger.digest()
    ledger.add_verdicts(1, "train", 0, [verdicts(5)], "judge-0")
    ledger.add_comparisons(1, "train", 0, [[Comparison(0, 1, 0.75, "j")]])
    ledger.clear_verdicts(1, "train")
    assert ledger.digest() == before
    ledger.add_verdicts(1, "train", 0, [verdicts(0)], "judge-1")
    same_groups(ledger.groups(1, "train"), [group(0)])
    same_groups(ledger.groups(1, "greedy"), [group(3)])


def test_a_position_is_taken_once(ledger: Ledger, group: MakeGroup) -> None:
    ledger.add_groups(1, "train", 0, [group(0)])
    with pytest.raises(LedgerError, match="written twice"):
        ledger.add_groups(1, "train", 0, [group(1)])
    assert ledger.prompt_count() == 1


def test_the_wrong_number_of_verdicts_is_refused(ledger: Ledger, group: MakeGroup) -> None:
    ledger.add_groups(1, "train", 0, [group(0, judged=False)])
    with pytest.raises(LedgerError, match="each of 3 responses, found 1"):
        ledger.add_verdicts(1, "train", 0, [[Verdict(1.0)]], "f")
    assert ledger.judged_count(1, "train") == 0


def test_verdicts_of_groups_that_are_not_there_are_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="expected 1 groups 'train' of round 1 from position 4"):
        ledger.add_verdicts(1, "train", 4, [[Verdict(1.0)]], "f")


def test_comparisons_come_back_by_group(ledger: Ledger, group: MakeGroup) -> None:
    ledger.add_groups(1, "train", 0, [group(i) for i in range(3)])
    pairs = [Comparison(0, 1, 0.75, "j"), Comparison(2, 1, 0.5, "j")]
    ledger.add_comparisons(1, "train", 0, [pairs, [], pairs[:1]])
    assert ledger.comparisons(1, "train") == [pairs, [], pairs[:1]]


def test_a_comparison_names_responses_that_exist(ledger: Ledger, group: MakeGroup) -> None:
    ledger.add_groups(1, "train", 0, [group(0)])
    with pytest.raises(LedgerError, match="never written"):
        ledger.add_comparisons(1, "train", 0, [[Comparison(0, 3, 1.0, "j")]])
