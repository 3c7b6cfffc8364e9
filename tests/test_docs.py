"""Every code block of the README and of the documentation is run or checked.

`sh`: programs, commands, options, arguments and settings exist. `yaml`: loads as what it is.
`python`: imports what there is (test_docs_played runs some pages). `json`, `jsonl`: parse. A block
whose first line is `# name.py` is a file that the page's other blocks may name.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
import yaml
from typer.testing import CliRunner

from meta.constitution.constitution import constitution_from_yaml
from meta.rubrics.rubric import rubric_from_yaml
from selfplay.ablation import AblationConfig, cells, grid_config
from selfplay.analysis.replay import ReplayConfig
from selfplay.cli.main import app
from selfplay.config import load_config, shipped_configs
from selfplay.config.settings import RunConfig
from selfplay.offline.rlaif.config import LabelConfig, ReviseConfig, RewardedConfig
from selfplay.offline.train_config import TrainConfig
from selfplay.review.anchor_sets import JudgingConfig
from selfplay.review.trial import TrialConfig
from selfplay.stages.tasks import solver_config
from solver.objectives.build import build_objective
from tests.doc_blocks import (
    PAGES,
    ROOT,
    Block,
    blocks,
    commands,
    selfplay_arguments,
    write_files,
)

PLAIN = {"text", "mermaid", "tree", "sbatch"}
"""Languages that nothing can check: output, diagrams, the README's tree (tested on its own)."""
CHECKED = {"sh", "yaml", "python", "json", "jsonl"}
OTHERS = {
    "accelerate", "cat", "cd", "cp", "curl", "df", "du", "export", "git", "jq", "jupyter", "kill",
    "ls", "mkdir", "mkdocs", "mv", "python", "rsync", "sbatch", "scancel", "sleep", "source",
    "sqlite3", "squeue", "tail", "tensorboard", "torchrun", "vllm", "wandb",
}  # fmt: skip
"""Programs that are not the project's."""
OWN = ["prompts=my.jsonl", "model=DIR", "meta.judge.path=DIR"]
"""What a configuration may need besides."""
MODEL = "{name: transformers, path: DIR}"
ROOTS: dict[str, tuple[type[Any], list[str]]] = {
    "train": (TrainConfig, ["data=my.jsonl", "model=DIR"]),
    "ablate": (AblationConfig, ["arms={a: []}"]),
    "anchors make": (JudgingConfig, []),
    "rlaif revise": (ReviseConfig, ["prompts.path=my.jsonl", f"model={MODEL}"]),
    "rlaif label": (LabelConfig, ["data=my.jsonl", f"judge.model={MODEL}"]),
    "rlaif judgements": (
        RewardedConfig,
        ["data=my.jsonl", f"judge.model={MODEL}", "rubric=rubric.yaml"],
    ),
    "rubric test": (TrialConfig, []),
}
"""What a command's settings are settings of, with what its arguments say of them; the settings of
other commands are a run's."""
VERSIONS = {"A", "B", "K", "N", "VERSION"}
"""Words that stand for a number."""


def parametrized(*languages: str) -> Any:
    found = blocks(*languages)
    assert found
    return pytest.mark.parametrize("block", found, ids=[block.name for block in found])


def test_every_block_is_in_a_language_that_is_checked_or_says_that_it_is_text() -> None:
    unknown = [block.name for block in blocks() if block.language not in PLAIN | CHECKED]
    assert unknown == [], "name the language: sh, yaml, python, json, jsonl, or text for output"


@parametrized("sh")
def test_a_shell_block_names_what_there_is(block: Block, beside: Path) -> None:
    write_files(block.page, beside)
    for words in commands(block.text):
        arguments = selfplay_arguments(words)
        if arguments is not None:
            check_command(arguments)
        else:
            check_program(words)


def check_program(words: list[str]) -> None:
    """Of what is not the project's command, what can be known: targets, extras, modules, files."""
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = {word for word in words[1:] if "=" not in word}
        assert targets <= set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    elif words[0] in ("pip", "uv"):
        check_extras(words)
    elif words[0].endswith("/python") or words[:2] == ["python", "-m"]:
        module = words[words.index("-m") + 1].split(".")
        assert module[0] in ("pip", "pytest", "venv") or (ROOT / Path(*module)).exists(), words
    else:
        known = words[0] in OTHERS or words[0].startswith((".venv/bin/", "./"))
        assert known, f"'{words[0]}' is no program that the documentation uses"
    shipped = [word for word in words if word.startswith(("examples/", "benchmarks/", "configs/"))]
    assert [name for name in shipped if not (ROOT / name).exists()] == []


def check_extras(words: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"selfplay-engine\[([\w,]+)\]", " ".join(words))
    extras = {extra for group in named for extra in group.split(",")}
    assert extras <= set(project["optional-dependencies"])


@cache
def commands_of_the_project() -> Any:
    return typer.main.get_command(app)


def check_command(arguments: list[str]) -> None:
    """Parses a command line as the command does, and loads what it configures."""
    words = without_brackets(arguments)
    command: Any = commands_of_the_project()
    context = typer.Context(command, info_name="selfplay")
    while hasattr(command, "commands"):
        name = words[0]
        assert name in command.commands, f"no command '{name}' in {' '.join(arguments)}"
        command, words = command.commands[name], words[1:]
        if hasattr(command, "commands"):
            context = typer.Context(command, parent=context, info_name=name)
    given = ["1" if word in VERSIONS else word for word in words if word != "…"]
    found = command.make_context(name, given, parent=context)
    path = found.command_path.removeprefix("selfplay ")
    check_settings(path, found.params)


def without_brackets(words: list[str]) -> list[str]:
    """Words with those that a synopsis calls optional: `[--against RUBRIC]`."""
    found, inside = [], False
    for word in words:
        inside = inside or bool(re.match(r"\[(--|[A-Z])", word))
        found.append(word.strip("[]") if inside else word)
        inside = inside and not word.endswith("]")
    return found


def check_settings(path: str, given: dict[str, Any]) -> None:
    """Loads the settings of a command line, on top of what it names if that is there."""
    words = [*(given.get("overrides") or []), *(given.get("judging") or [])]
    overrides = [word for word in words if not word.startswith("$")]
    if path in ROOTS:
        root, needed = ROOTS[path]
        objective = [f"solver.objective={given['objective']}"] if given.get("objective") else []
        load_config(None, [*needed, *objective, *overrides], root)
        return
    source = str(given.get("source") or given.get("directory"))
    if "=" in source:
        source, overrides = "tiny", [source, *overrides]
    there = source in shipped_configs() or Path(source).is_file()
    if path in ("run", "config", "evaluate", "fork") and (there or overrides):
        base = source if there else "own"
        load_config(base, [*needed_by(base), *overrides], RunConfig)


def needed_by(base: str) -> list[str]:
    """What a configuration that ships leaves to the user."""
    path = shipped_configs().get(base)
    if path is None:
        return []
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    mine = OWN[:2] if base == "own" else needed_by(values.get("base", ""))
    judge = values.get("meta", {}).get("judge", {})
    return [*mine, OWN[2]] if isinstance(judge, dict) and judge.get("path") == "???" else mine


def test_ablations_named_are_there() -> None:
    for block in blocks("sh"):
        for words in commands(block.text):
            if words[:2] == ["selfplay", "ablate"] and not words[2].endswith(".yaml"):
                assert cells(grid_config(words[2]), Path())


def test_a_command_that_does_not_exist_fails_the_check() -> None:
    usage_error = typer.BadParameter.__base__
    assert usage_error is not None
    for line in ("run tiny --outt DIR", "status", "play tiny"):
        with pytest.raises((usage_error, AssertionError)):
            check_command(line.split())


def test_a_setting_that_does_not_exist_fails_the_check() -> None:
    for line in ("run tiny round=2", "fork DIR --out NEW solver.rate=1", "train my.jsonl epoch=2"):
        with pytest.raises(ValueError, match="did you mean"):
            check_command(line.split())


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_commands_in_the_text_exist(path: Path) -> None:
    for line in re.findall(r"`selfplay ([a-z][^`\n]*)`", path.read_text(encoding="utf-8")):
        command: Any = commands_of_the_project()
        for word in line.split():
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, f"`selfplay {line}`"
            command = command.commands[word]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", line)) <= known, f"`selfplay {line}`"


def loads_as_run(text: str, path: Path) -> None:
    base = re.search(r"^base: ([\w/]+)$", text, flags=re.MULTILINE)
    config = solver_config(load_config(path, given(text, base[1] if base else "")).config)
    assert build_objective(config.objective, config)


def given(text: str, base: str) -> list[str]:
    """What a page leaves out that shows only what is meant."""
    values = yaml.safe_load(text)
    needed = {"prompts": "my.jsonl", "model": "DIR"} if base in ("own", "evolve") else {}
    overrides = []
    for name, value in needed.items():
        part = values.get(name)
        if part is None:
            overrides.append(f"{name}={value}")
        elif isinstance(part, dict) and "path" not in part:
            overrides.append(f"{name}.path={value}")
    return overrides + [OWN[2]] * (base == "evolve" and "path" not in text)


YAML: dict[str, Callable[[str, Path], Any]] = {
    "arms": lambda text, path: grid_config(str(path)),
    "alternatives": lambda text, path: load_config(path, [], ReplayConfig),
    "criteria": lambda text, path: rubric_from_yaml(text),
    "principles": lambda text, path: constitution_from_yaml(text),
}
"""What YAML is, by a key at its root; anything else configures a run."""
FOREIGN = {
    "compute_environment": "accelerate's own configuration",
    "compose": "a container's",
}
"""Keys at the root of YAML that another program reads."""


@parametrized("yaml")
def test_a_yaml_block_loads(block: Block, beside: Path) -> None:
    write_files(block.page, beside)
    path = beside / "shown.yaml"
    path.write_text(block.text, encoding="utf-8")
    keys = yaml.safe_load(block.text).keys()
    if keys & FOREIGN.keys():
        return
    reader = next((YAML[key] for key in YAML if key in keys), loads_as_run)
    reader(block.text, path)


@parametrized("json", "jsonl")
def test_a_json_block_parses(block: Block) -> None:
    texts = [block.text] if block.language == "json" else block.text.strip().splitlines()
    assert [json.loads(text) for text in texts]


@parametrized("python")
def test_python_of_the_documentation_imports_what_there_is(block: Block, beside: Path) -> None:
    write_files(block.page, beside)
    tree = ast.parse(block.text)
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(tree, "documentation", "exec"), {})


RECIPES = sorted(name for name in shipped_configs() if name.startswith("recipes/"))
SERVED = ["meta.rubric=looks", "meta.judge.model={name: endpoint, model: M, base_url: http://H}"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_shown_and_loads(name: str) -> None:
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert f"selfplay run {name} " in page
    served = SERVED if name == "recipes/judge_endpoint" else []
    shown = CliRunner().invoke(app, ["config", name, "prompts=my.jsonl", *served])
    assert shown.exit_code == 0, shown.output
    assert "???" not in shown.stdout
