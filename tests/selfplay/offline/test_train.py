"""Offline learning jobs on recorded groups and comparisons, through the real command and models."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from selfplay.cli.main import app
from selfplay.config import load_config
from selfplay.core.errors import ConfigError, DataError, LedgerError, ModelError
from selfplay.core.seeding import Seed
from selfplay.core.types import Group, Prompt, user
from selfplay.data.recorded import Recorded, read_recorded, to_group
from selfplay.offline.train import METRICS, learn, open_job, train
from selfplay.offline.train_config import TrainConfig
from selfplay.offline.training_data import comparison_accuracy, held_out

PROMPTS = [f"say {word}" for word in ("one", "two", "three", "four", "five", "six")]
GROUPS = [
    {"prompt": p, "responses": [p[4:], "no", "perhaps"], "rewards": [1, 0, 0.5]} for p in PROMPTS
]
COMPARISONS = [{"prompt": p, "chosen": p[4:], "rejected": "no"} for p in PROMPTS]
QUICK = ("model.device=cpu", "model.threads=1", "solver.learning_rate=1e-3", "batch=4")


def write(directory: Path, rows: list[dict[str, Any]]) -> Path:
    path = directory / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def job(tiny_model_dir: Path, tmp_path: Path) -> Callable[..., Any]:
    """Trains on rows into a new directory with overrides."""

    def run(rows: list[dict[str, Any]], *overrides: str, out: str = "out") -> Any:
        path = write(tmp_path, rows)
        return train(path, tmp_path / out, [f"model={tiny_model_dir}", *QUICK, *overrides])

    return run


@pytest.mark.parametrize("objective", ["dpo", "simpo", "rm", "ppo", "rloo"])
def test_objectives_learn_from_recorded_groups(job: Callable[..., Any], objective: str) -> None:
    trained = job(GROUPS, f"solver.objective={objective}")
    assert len(trained.batches) == 2
    assert all(batch["grad_norm"] > 0 for batch in trained.batches)
    assert (trained.policy / "config.json").exists()
    assert (trained.reward_model is not None) == (objective == "rm")


def test_comparisons_are_learned(job: Callable[..., Any]) -> None:
    trained = job(COMPARISONS, "solver.objective=rm", "epochs=15")
    assert trained.batches[-1]["accuracy"] == 1.0
    assert trained.batches[-1]["loss"] < 0.5 * trained.batches[0]["loss"]


def test_demonstrations_are_imitated_one_to_a_prompt(job: Callable[..., Any]) -> None:
    rows = [{"prompt": prompt, "completion": prompt[4:]} for prompt in PROMPTS]
    trained = job(rows, "solver.objective=sft", "epochs=8", "solver.learning_rate=1e-2")
    losses = [batch["loss"] for batch in trained.batches]
    assert losses[-1] < losses[0] / 2


def test_a_demonstration_without_text_is_named(job: Callable[..., Any]) -> None:
    with pytest.raises(
        DataError, match=r"data\.jsonl, line 1, column 'completion': expected a text"
    ):
        job([{"prompt": "say one", "completion": None}], "solver.objective=sft")


def test_every_epoch_holds_every_group_once(tiny_model_dir: Path, tmp_path: Path) -> None:
    data = write(tmp_path, GROUPS)
    changes = [f"data={data}", f"model={tiny_model_dir}", "solver.objective=dpo", "epochs=2"]
    loaded = load_config(None, [*QUICK, *changes], TrainConfig)
    with open_job(loaded, tmp_path / "out") as opened:
        first, second = opened.batches[:2], opened.batches[2:]
        assert [len(batch) for batch in first] == [4, 2]
        for epoch in (first, second):
            assert sorted(i for batch in epoch for i in batch) == list(range(6))
        assert first != second


def test_a_job_that_stopped_ends_as_one_that_did_not(
    tiny_model_dir: Path, tmp_path: Path, job: Callable[..., Any]
) -> None:
    options = ("solver.objective=rm", "epochs=2", "save_every=1")
    whole = job(COMPARISONS, *options, out="whole")
    overrides = [f"data={tmp_path / 'data.jsonl'}", f"model={tiny_model_dir}", *QUICK, *options]
    loaded = load_config(None, overrides, TrainConfig)
    with open_job(loaded, tmp_path / "parts") as opened:
        stopped = learn(opened)
        assert next(stopped).version == 1
        assert next(stopped).version == 2
        stopped.close()
    with (tmp_path / "parts" / METRICS).open("a") as file:
        file.write('{"version": 3, "metrics": {"never": "saved"}}\n')
    assert job(COMPARISONS, *options, out="parts").batches == whole.batches
    headers = [tmp_path / name / "policy" / "4" / "policy.json" for name in ("whole", "parts")]
    assert headers[0].read_text() == headers[1].read_text()


def test_more_epochs_go_on_and_another_job_is_refused(job: Callable[..., Any]) -> None:
    job(COMPARISONS, "solver.objective=dpo")
    assert len(job(COMPARISONS, "solver.objective=dpo", "epochs=2").batches) == 4
    with pytest.raises(LedgerError, match=r"config\.solver\.objective\.name"):
        job(COMPARISONS, "solver.objective=simpo")
    with pytest.raises(LedgerError, match="data_sha256"):
        job(COMPARISONS[:5], "solver.objective=dpo")


def test_recorded_log_probabilities_are_the_reference(job: Callable[..., Any]) -> None:
    tokens, logprobs = [[50, 1], [51, 1], [52, 1]], [[-1.0, -9.0], [-0.5, -0.5], [-2.0, -2.0]]
    rows = [row | {"token_ids": tokens, "logprobs": logprobs} for row in GROUPS]
    precomputed = job(rows, "solver.objective=dpo", "solver.reference=precomputed")
    plain = job(rows, "solver.objective=dpo", out="plain")
    assert plain.batches[0]["loss"] == pytest.approx(np.log(2), abs=1e-5)
    assert precomputed.batches[0]["loss"] != pytest.approx(np.log(2), abs=1e-2)


def test_without_them_a_precomputed_reference_is_refused(job: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match="precomputed needs a finite log-probability"):
        job(GROUPS, "solver.objective=dpo", "solver.reference=precomputed")


def test_log_probabilities_of_other_tokens_are_refused() -> None:
    record = Recorded(Prompt(user("?")), ("ab",), (1.0,), logprobs=((-1.0, -2.0, -3.0),))
    with pytest.raises(DataError, match="each of the 2 tokens of response 0"):
        to_group(record, lambda text: [7] * len(text))


def test_violations_are_kept(tmp_path: Path) -> None:
    row = GROUPS[0] | {"violations": [[], ["rude"], []]}
    group = to_group(read_recorded(write(tmp_path, [row]))[0])
    assert [verdict.violations for verdict in group.verdicts] == [(), ("rude",), ()]


def test_chats_give_their_prompt_and_their_last_turn(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hi"}]
    row = {
        "chosen": [*turns, {"role": "assistant", "content": "hello"}],
        "rejected": [*turns, {"role": "assistant", "content": "go away"}],
        "margin": 2.5,
    }
    (record,) = read_recorded(write(tmp_path, [row]), "auto")
    assert record.prompt.text == "hi"
    assert record.responses == ("hello", "go away")
    assert record.rewards == (2.5, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": 3}, "line 1, column 'chosen': expected a text or a chat"),
        ({"margin": -1.0}, "margin above 0"),
        ({"prompt": None}, "line 1: expected a prompt column"),
    ],
)
def test_comparisons_that_cannot_be_read_are_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_recorded(write(tmp_path, [COMPARISONS[0] | change]), "auto")


@pytest.mark.parametrize(
    ("rows", "objective", "message"),
    [
        ([{"prompt": "a", "responses": ["b", "c"]}], "dpo", "expected rewards, found none"),
        ([{"prompt": "a", "responses": ["b"], "rewards": [1]}], "rloo", r"\(n = 1\)"),
        (
            [{"prompt": "a", "responses": ["b", "c"], "rewards": [1, 1]}],
            "rm",
            "no prompt has two responses with different rewards",
        ),
    ],
)
def test_data_that_cannot_teach_is_refused_before_a_model_is_loaded(
    tmp_path: Path, rows: list[dict[str, Any]], objective: str, message: str
) -> None:
    overrides = ["model=/nowhere/at/all", f"solver.objective={objective}"]
    with pytest.raises(DataError, match=message):
        train(write(tmp_path, rows), tmp_path / "out", overrides)


def test_data_of_which_nothing_is_learned_is_an_error(job: Callable[..., Any]) -> None:
    rows = [{"prompt": "a" * 300, "chosen": "b", "rejected": "c"}]
    with pytest.raises(DataError, match="no batch had anything to learn from under dpo"):
        job(rows, "solver.objective=dpo")


def test_responses_longer_than_the_context_are_counted(job: Callable[..., Any]) -> None:
    long = {"prompt": "p", "responses": ["a", "b", "c" * 300], "rewards": [1, 0, 2]}
    trained = job([*GROUPS, long], "solver.objective=rm")
    assert trained.too_long == 1


def test_a_loss_that_is_not_finite_leaves_its_batch(job: Callable[..., Any]) -> None:
    with pytest.raises(ModelError, match=r"The batch is in (.*batch-2\.safetensors)") as caught:
        job(GROUPS, "solver.objective=dpo", "solver.learning_rate=1e30")
    found = re.search(r"The batch is in (.*batch-2\.safetensors)", str(caught.value))
    assert found is not None
    assert Path(found[1]).stat().st_size > 0


def test_held_out_prompts_are_not_learned_from_and_are_tested(job: Callable[..., Any]) -> None:
    trained = job([*COMPARISONS, *COMPARISONS], "solver.objective=rm", "heldout=0.5", "layout=auto")
    assert (trained.groups, trained.heldout_comparisons) == (6, 6)
    assert 0.0 <= trained.heldout_accuracy <= 1.0


def test_all_comparisons_of_a_prompt_stay_on_one_side() -> None:
    groups = [Group(Prompt(user(text)), (), "train", 0) for text in "abcdeabcde"]
    learned, kept = held_out(groups, 0.4, Seed(0))
    sides = [{group.prompt.text for group in side} for side in (learned, kept)]
    assert (len(sides[0]), len(sides[1])) == (3, 2)
    assert not sides[0] & sides[1]


def test_tied_scores_count_half() -> None:
    group = to_group(Recorded(Prompt(user("?")), ("a", "b", "c"), (2.0, 1.0, None)))
    scores = [np.array(row, np.float32) for row in ([1, 0, 9], [0, 0, 9], [0, 1, 9])]
    assert [comparison_accuracy([group], [s])[0] for s in scores] == [1.0, 0.5, 0.0]


def test_held_out_prompts_are_for_reward_models(job: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="selfplay evaluate"):
        job(COMPARISONS, "solver.objective=dpo", "heldout=0.1")


def test_the_command_tells_its_figures_and_what_comes_next(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    data, out = write(tmp_path, COMPARISONS), tmp_path / "out"
    command = ["train", str(data), "--model", str(tiny_model_dir), "--objective", "rm"]
    result = CliRunner().invoke(app, [*command, "--out", str(out), *QUICK, "heldout=0.4"])
    assert result.exit_code == 0, result.output
    path = f"meta.judge.path={out / 'reward_model'}"
    for told in ("batch 1/1", "held-out accuracy", "MiB at most", path):
        assert told in result.output
    result = CliRunner().invoke(app, [*command, "--out", str(out), *QUICK, "heldout=0.4", "--json"])
    assert json.loads(result.output.splitlines()[-1])["reward_model"] == str(out / "reward_model")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("solver.refill=1", r"solver\.refill: expected 0, since recorded responses"),
        ("solver.baseline=gold", r"solver\.baseline: expected null, since recorded responses"),
        ("solver.objective=paft", r"model\.lora\.enabled: expected false"),
    ],
)
def test_what_a_job_cannot_do_is_refused_with_its_configuration(
    override: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, ["data=x", "model.lora.enabled=true", override], TrainConfig)


def test_the_documented_call_works(
    tiny_model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    write(tmp_path, GROUPS).rename(tmp_path / "recorded.jsonl")
    monkeypatch.chdir(tmp_path)
    exec(code.replace("DIR", str(tiny_model_dir)), {})
    assert "learned/policy/2" in capsys.readouterr().out


def test_the_policy_of_a_job_can_be_exported_as_a_reward_model(
    job: Callable[..., Any], tmp_path: Path
) -> None:
    trained = job(COMPARISONS, "solver.objective=rm")
    result = CliRunner().invoke(app, ["export", str(trained.policy), str(tmp_path / "rm")])
    assert result.exit_code == 0, result.output
    files = [
        directory / "model.safetensors" for directory in (trained.reward_model, tmp_path / "rm")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_reward_model_appears_whole_or_not_at_all(
    job: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def halfway(pretrained: Any, directory: Path) -> None:
        written.append(directory)
        (directory / "config.json").write_text("{}", encoding="utf-8")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("solver.export.save_pretrained", halfway)
        with pytest.raises(KeyboardInterrupt):
            job(COMPARISONS, "solver.objective=rm")
    trained = job(COMPARISONS, "solver.objective=rm")
    assert written
    assert not any(directory.exists() for directory in written)
    assert (trained.reward_model / "model.safetensors").exists()


def test_the_command_starts_without_torch() -> None:
    code = "import sys, selfplay.cli.train_command; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
