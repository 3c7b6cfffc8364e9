"""Claims about code that comes with a model: it is never run, and nobody is asked whether to."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from selfplay.core.embedding import Embedder
from selfplay.core.errors import ModelError
from selfplay.core.models.classifier import load_classifier
from selfplay.core.models.library import nobody_to_ask
from selfplay.core.models.pretrained import load_pretrained

CODE = "from transformers import LlamaConfig\nopen({!r}, 'w').write('ran')\n"


@pytest.fixture
def remote(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A model whose directory brings Python along that would leave a file `ran`."""
    directory = Path(shutil.copytree(tiny_model_dir, tmp_path / "remote"))
    config = json.loads((directory / "config.json").read_text())
    places = {
        "AutoConfig": "configuration_my.MyConfig",
        "AutoModelForCausalLM": "modeling_my.MyModel",
        "AutoModelForSequenceClassification": "modeling_my.MyModel",
    }
    changed = {**config, "model_type": "my_own", "auto_map": places}
    (directory / "config.json").write_text(json.dumps(changed))
    code = CODE.format(str(tmp_path / "ran"))
    (directory / "configuration_my.py").write_text(
        f"{code}class MyConfig(LlamaConfig):\n    model_type = 'my_own'\n"
    )
    (directory / "modeling_my.py").write_text(
        f"{code}from transformers import LlamaForCausalLM\n"
        "class MyModel(LlamaForCausalLM):\n    pass\n"
    )
    return directory


def command(remote: Path) -> list[str]:
    rows = remote.parent / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": "q", "completion": "a"}) + "\n")
    out = remote.parent / "out"
    train = ["train", str(rows), "--model", str(remote), "--objective", "sft", "--out", str(out)]
    return [sys.executable, "-m", "selfplay", *train]


def check(status: int, said: str, remote: Path) -> None:
    assert status == ModelError.exit_code, said
    assert f"error: The tokenizer in '{remote}' cannot be loaded" in said or (
        f"error: The model in '{remote}' cannot be loaded" in said
    )
    assert "[y/N]" not in said
    assert "Traceback" not in said
    assert not (remote.parent / "ran").exists()


def test_yes_through_a_pipe_runs_nothing(remote: Path) -> None:
    done = subprocess.run(
        command(remote), input="y\n" * 1000, capture_output=True, text=True, timeout=240
    )
    check(done.returncode, done.stdout + done.stderr, remote)


def test_nothing_is_asked_at_a_terminal(remote: Path) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n" * 8)
    done = subprocess.Popen(command(remote), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    check(done.wait(timeout=240), " ".join(said.decode().split()), remote)


def test_no_loader_runs_it(remote: Path) -> None:
    for load in (load_pretrained, load_classifier):
        with pytest.raises(ModelError, match="cannot be loaded"):
            load(str(remote), device="cpu")
    (remote / "modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "", "type": "modeling_my.MyModel"}])
    )
    with pytest.raises(ModelError, match=r"found modeling_my\.MyModel\. Code that comes with"):
        Embedder(str(remote)).embed(["a"])
    assert not (remote.parent / "ran").exists()


def test_a_library_that_asks_gets_no_answer() -> None:
    with nobody_to_ask(), pytest.raises(EOFError):
        input()
