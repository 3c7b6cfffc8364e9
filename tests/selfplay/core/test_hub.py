"""Claims about where models lie: directories, and names of the hub without a network."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from selfplay.config import load_config
from selfplay.core.errors import ModelError
from selfplay.core.models import hub
from selfplay.core.models.hub import located, model_name, stored
from selfplay.offline.train_config import TrainConfig


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that is also the home directory, with a model's directory in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    return tmp_path


def test_a_directory_is_kept_as_an_absolute_path_and_a_name_as_it_is(home: Path) -> None:
    assert stored("mine") == stored("./mine") == stored("~/mine") == str(home / "mine")
    assert stored("../elsewhere/x").startswith("/")
    assert [stored(name) for name in ("owner/name", "gpt2", "")] == ["owner/name", "gpt2", ""]


def test_a_configuration_keeps_models_absolute_and_their_other_names(home: Path) -> None:
    (home / "tiny").mkdir()
    (home / "initial").mkdir()
    changes = ["prompts=x.jsonl", "model=mine", "meta.judge=reward_model"]
    loaded = load_config("own", [*changes, "meta.judge.path=~/mine", "solver.reference=initial"])
    values = loaded.as_dict()
    assert values["model"]["path"] == loaded.config.model.path == str(home / "mine")
    assert values["meta"]["judge"]["path"] == str(home / "mine")
    assert loaded.config.solver.reference == "initial"
    assert load_config("tiny", []).config.model.path == "tiny"
    assert load_config(None, ["data=x", "model=mine"], TrainConfig).config.model.path == str(
        home / "mine"
    )


def test_a_path_that_is_no_directory_is_named_in_full(home: Path) -> None:
    with pytest.raises(ModelError, match=f"no directory at '{home}/nowhere'"):
        located("~/nowhere")


@pytest.mark.parametrize("name", ["x" * 1000, "no\0name", "mine/" + "x" * 1000])
def test_a_text_that_no_path_can_be_is_no_directory(name: str, home: Path) -> None:
    assert stored(name) == model_name(name) == name


def test_a_hub_that_does_not_answer_is_waited_for_no_longer_than_its_patience(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub, "PATIENCE", 0.2)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: time.sleep(600))
    with pytest.raises(ModelError, match=r"did not answer within 0\.2 s.*hf download nobody/has"):
        located("nobody/has-this-model")


def test_files_that_were_fetched_before_are_used_without_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no network")

    place = tmp_path / "models--owner--name"
    (place / "snapshots" / "abc").mkdir(parents=True)
    (place / "snapshots" / "abc" / "config.json").write_text("{}")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", no_network)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert located("owner/name") == place / "snapshots" / "abc"
