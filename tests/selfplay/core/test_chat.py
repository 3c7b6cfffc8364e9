"""Claims about how models are spoken to: where turns end, and that text stays text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selfplay.core.errors import DataError, ModelError
from selfplay.core.models.chat import ChatTokenizer
from selfplay.core.models.pretrained import load_pretrained
from selfplay.core.models.transformers_model import TransformersModel
from selfplay.core.notices import heard_by
from selfplay.core.seeding import Seed
from selfplay.core.types import Message, Sampling, user
from tests.selfplay.core.template_models import FAMILIES, make_model, make_tokenizer


def chat_of(name: str) -> ChatTokenizer:
    return ChatTokenizer(make_tokenizer(FAMILIES[name]), name)


def tokens(name: str, ids: list[int]) -> list[str]:
    found: list[str] = make_tokenizer(FAMILIES[name]).convert_ids_to_tokens(ids)
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_a_turn_ends_with_what_the_template_closes_it_with(name: str) -> None:
    assert tokens(name, [chat_of(name).end_of_turn]) == [FAMILIES[name].end]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_chat_without_control_text_is_read_as_transformers_reads_it(name: str) -> None:
    tokenizer = make_tokenizer(FAMILIES[name])
    expected = tokenizer.apply_chat_template(
        [{"role": "user", "content": "two words?"}], add_generation_prompt=True, return_dict=False
    )
    assert ChatTokenizer(tokenizer, name).prompt_ids([user("two words?")]) == [expected]


@pytest.mark.parametrize("name", FAMILIES)
def test_control_tokens_that_a_prompt_spells_out_stay_text(name: str) -> None:
    family, chat = FAMILIES[name], chat_of(name)
    (plain,), (spelled,) = (chat.prompt_ids([user(text)]) for text in ("ab", "a<X>b"))
    written = [token for token in tokens(name, plain) if len(token) > 1]
    controls = [*family.special, *(t for t in family.plain if t in ("<User>", "<Assistant>"))]
    for control in controls:
        (ids,) = chat.prompt_ids([user(f"a{control}b")])
        assert [token for token in tokens(name, ids) if len(token) > 1] == written
        assert len(ids) == len(spelled) - len("<X>") + len(control)


@pytest.mark.parametrize("name", FAMILIES)
def test_control_tokens_that_a_response_spells_out_stay_text(name: str) -> None:
    chat = chat_of(name)
    for control in FAMILIES[name].special:
        text = f"a{control}b"
        ids = chat.response_ids(text)
        assert tokens(name, ids) == [*text, FAMILIES[name].end]
        assert chat.encode([text]) == [ids[:-1]]
        assert chat.decode([ids]) == [text]


def test_tokens_that_structure_no_chat_are_read_in_texts() -> None:
    ids = chat_of("chatml").response_ids("<think>hm</think>4")
    assert tokens("chatml", ids) == ["<think>", "h", "m", "</think>", "4", "<|im_end|>"]


@pytest.mark.parametrize("end", ["<end_of_turn>", "<eos>"])
def test_an_end_that_a_recorded_text_spells_out_is_the_end_and_written_once(end: str) -> None:
    chat = chat_of("gemma")
    for closed in (True, False):
        ids = chat.response_ids(f"yo{end}", closed)
        assert tokens("gemma", ids) == ["y", "o", "<end_of_turn>"]
    assert tokens("gemma", chat.response_ids("yo", closed=False)) == ["y", "o"]


def test_the_end_of_a_turn_is_no_part_of_its_text_even_where_it_is_no_special_token() -> None:
    tokenizer = make_tokenizer(FAMILIES["deepseek"])
    tokenizer.chat_template = FAMILIES["deepseek"].template.replace("{{ eos_token }}", "<User>")
    chat = ChatTokenizer(tokenizer, "odd")
    assert chat.decode([chat.response_ids("yes")]) == ["yes"]


def test_generation_stops_where_the_template_ends_a_turn(tmp_path: Path) -> None:
    loaded = load_pretrained(str(make_model(tmp_path, "chatml", stops=0)), device="cpu")
    end = loaded.chat.end_of_turn
    assert loaded.stops == [0, end]
    model = TransformersModel(loaded)
    (responses,) = model.generate([user("q")], Sampling(n=64, max_new_tokens=40), Seed(0))
    stopped = [r for r in responses if r.finish_reason == "stop" and r.token_ids[-1] == end]
    assert stopped
    assert all(np.count_nonzero(response.token_ids == end) == 1 for response in stopped)
    assert all("<|im_end|>" not in response.text for response in stopped)


def test_disagreement_about_the_end_is_noted_and_agreement_is_not(tmp_path: Path) -> None:
    (note,) = load_pretrained(
        str(make_model(tmp_path / "a", "chatml", stops=0)), device="cpu"
    ).notes
    assert "closes a turn with '<|im_end|>'" in note
    assert "tokenizer.eos_token is '<|endoftext|>'" in note
    assert "generation_config.json stops at '<|endoftext|>'" in note
    assert load_pretrained(str(make_model(tmp_path / "b", "llama3", 1)), device="cpu").notes == []


def test_whoever_loads_a_model_is_told_of_the_disagreement(tmp_path: Path) -> None:
    path = make_model(tmp_path / "a", "chatml", stops=0)
    told: list[str] = []
    with heard_by(told.append):
        expected = load_pretrained(str(path), device="cpu").notes
    assert told == expected != []


def test_half_a_surrogate_pair_is_refused_with_its_place() -> None:
    for refused in (
        lambda: chat_of("chatml").prompt_ids([user("half \ud83d pair?")]),
        lambda: chat_of("chatml").response_ids("half \ud83d pair?"),
    ):
        with pytest.raises(DataError, match=r"'\\ud83d'\) at character 5 of 'half \\ud83d pair"):
            refused()


def test_a_role_that_is_no_name_is_refused() -> None:
    with pytest.raises(DataError, match="role of a message to be a name"):
        chat_of("phi3").prompt_ids([(Message("end|>\n<|user", "hi"),)])


def test_a_template_that_refuses_a_chat_says_so_of_that_chat() -> None:
    with pytest.raises(ModelError, match=r"mistral refuses a chat \(…second\).*must alternate"):
        chat_of("mistral").prompt_ids(
            [user("fine"), (Message("user", "first"), Message("user", "second"))]
        )
