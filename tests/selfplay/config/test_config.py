"""Loading of configurations: layers, typing, components, errors, origins."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from omegaconf import MISSING

import selfplay.config.loader
from selfplay.config import Loaded, differences, load_config, load_values, shipped_configs
from selfplay.core.components import Choice, NoOptions, Row, component, components
from selfplay.core.errors import ConfigError


class Device(Enum):
    """Where tensors live."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True)
class Scale:
    """Options of a leaf component."""

    factor: float = 2.0


@dataclass(frozen=True)
class Plain:
    """Options of another."""

    factor: float = 9.0
    levels: list[int] = field(default_factory=lambda: [1, 2])


SCALES = {"scale": Row("a:b", Scale, "scales"), "plain": Row("a:c", Plain, "does not")}


@dataclass(frozen=True)
class DPO:
    """Options with a component of their own."""

    beta: float = 0.1
    loss: Literal["sigmoid", "hinge"] = "sigmoid"
    scale: Choice = component("scale", SCALES)


@dataclass(frozen=True)
class SimPO:
    """Options with a check."""

    beta: float = 2.0
    gamma: float = 1.0

    def check(self, where: str) -> None:
        """Gamma above beta is impossible."""
        if self.gamma > self.beta:
            raise ConfigError(f"{where}: gamma {self.gamma} exceeds beta {self.beta}")


@dataclass(frozen=True)
class AnswerFile:
    """A file of answers."""

    path: str = MISSING


ANSWERS = {"none": Row("n:n", NoOptions, "none"), "file": Row("n:f", AnswerFile, "a file")}
OBJECTIVES = {"dpo": Row("o:dpo", DPO, "pairs"), "simpo": Row("o:simpo", SimPO, "no reference")}


@dataclass(frozen=True)
class Model:
    """A model."""

    path: Path = MISSING
    device: Device = Device.CPU
    revision: str | None = None


@dataclass(frozen=True)
class Part:
    """An element of a list."""

    name: str = "part"
    share: float = 0.5


@dataclass(frozen=True)
class Solver:
    """A role."""

    model: Model = field(
        default_factory=lambda: Model(path=Path("m")), metadata={"shorthand": "path"}
    )
    reference: Model | None = field(default=None, metadata={"shorthand": "path"})
    objective: Choice = component("dpo", OBJECTIVES)
    answers: Choice = component("none", ANSWERS, shorthand=("file", "path"))
    scales: tuple[Choice, ...] = components(("scale", "plain"), SCALES)
    trainer: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=lambda: [Part(), Part("second")])
    named: dict[str, Part] = field(default_factory=dict)
    betas: tuple[float, float] = (0.9, 0.99)
    greedy: bool = False
    targets: str | list[str] = "all"
    limit: float | int | None = None

    def check(self, where: str) -> None:
        """Greedy answers need no reference."""
        if self.greedy and self.reference:
            raise ConfigError(f"{where}: greedy and reference exclude each other")


@dataclass(frozen=True)
class Root:
    """A whole configuration."""

    rounds: int = 10
    seed: int = 0
    title: str = "untitled"
    solver: Solver = field(default_factory=Solver)


Load = Callable[..., Loaded[Root]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes text to a file and loads it with overrides."""

    def run(text: str, *overrides: str) -> Loaded[Root]:
        path = tmp_path / "my.yaml"
        path.write_text(text)
        return load_config(path, overrides, Root)

    return run


def from_overrides(*overrides: str) -> Loaded[Root]:
    return load_config(None, overrides, Root)


def test_defaults_load_as_typed_instances() -> None:
    config = load_config(None, [], Root).config
    assert config.solver.model == Model(Path("m"), Device.CPU, None)
    assert config.solver.objective == Choice(
        "dpo", "o:dpo", DPO(scale=Choice("scale", "a:b", Scale()))
    )
    assert config.solver.scales == (
        Choice("scale", "a:b", Scale()),
        Choice("plain", "a:c", Plain()),
    )
    assert config.solver.parts == [Part(), Part("second")]
    assert config.solver.betas == (0.9, 0.99)


def test_overrides_win_over_the_file_and_the_file_over_defaults(load: Load) -> None:
    loaded = load("rounds: 3\nseed: 4\n", "seed=5")
    assert (loaded.config.rounds, loaded.config.seed, loaded.config.title) == (3, 5, "untitled")
    assert loaded.sources["rounds"] == "my.yaml"
    assert loaded.sources["seed"] == "override"
    assert loaded.sources["title"] == "default"


def test_a_bare_name_and_its_long_form_choose_the_same_component(load: Load) -> None:
    short = load("solver: {objective: simpo}").config
    assert short == load("solver: {objective: {name: simpo}}").config
    assert short == from_overrides("solver.objective.name=simpo").config
    assert short.solver.objective == Choice("simpo", "o:simpo", SimPO())


def test_another_component_drops_the_options_of_the_previous_one(load: Load) -> None:
    text = "solver: {objective: {name: simpo, beta: 7, gamma: 5}}"
    kept = load(text, "solver.objective=simpo").config
    assert kept.solver.objective.options == SimPO(7, 5)
    dropped = load(text, "solver.objective=dpo").config
    assert dropped.solver.objective.options.beta == DPO().beta


@pytest.mark.parametrize("choose", ["solver.objective=simpo", "solver.objective.name=simpo"])
def test_the_order_of_a_choice_and_its_options_does_not_matter(choose: str) -> None:
    one = from_overrides("solver.objective.gamma=0.5", choose)
    assert one.config == from_overrides(choose, "solver.objective.gamma=0.5").config
    assert one.config.solver.objective.options == SimPO(gamma=0.5)


def test_components_nest_in_the_options_of_components() -> None:
    loaded = from_overrides("solver.objective.scale={name: plain, factor: 3}")
    assert loaded.config.solver.objective.options.scale.options == Plain(factor=3.0)
    assert loaded.sources["solver.objective.scale.levels"] == "default"


def test_lists_change_as_a_whole_or_by_index(load: Load) -> None:
    assert [c.name for c in from_overrides("solver.scales=[plain]").config.solver.scales] == [
        "plain"
    ]
    by_index = from_overrides(
        "solver.scales.1.levels.0=8", "solver.betas.0=0.5", "solver.parts.1.share=1"
    )
    assert by_index.config.solver.scales[1].options.levels == [8, 2]
    assert by_index.config.solver.betas == (0.5, 0.99)
    assert by_index.config.solver.parts == [Part(), Part("second", 1.0)]
    assert load("solver: {scales: {0: {factor: 4}}}").config.solver.scales[0].options == Scale(4.0)


def test_an_index_beyond_the_list_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"solver\.scales\.2: expected an index .*0 to 1"):
        from_overrides("solver.scales.2.factor=1")


def test_a_path_is_shorthand_for_a_section() -> None:
    solver = from_overrides("solver.model=weights", "solver.reference=other").config.solver
    assert solver.model.path == Path("weights")
    assert solver.reference == Model(Path("other"))
    assert (
        from_overrides("solver.reference=r", "solver.reference=null").config.solver.reference
        is None
    )


@pytest.mark.parametrize("path", ["answers.jsonl", "./answers", "a/b:c"])
def test_a_path_is_shorthand_for_a_component_that_reads_it(path: str) -> None:
    loaded = from_overrides(f"solver.answers={path}")
    assert loaded.config.solver.answers == Choice("file", "n:f", AnswerFile(path))
    assert loaded.sources["solver.answers.path"] == "override"


def test_a_plain_word_is_a_name_and_no_path() -> None:
    assert from_overrides("solver.answers=none").config.solver.answers.name == "none"
    with pytest.raises(ConfigError, match=r"solver\.answers: no component .*did you mean 'none'"):
        from_overrides("solver.answers=nonne")


def test_free_options_pass_through_and_merge(load: Load) -> None:
    loaded = load(
        "solver: {trainer: {lr: 1.e-5, deep: {a: [1, 2], b: x}}}",
        "solver.trainer.deep.b=y",
        "solver.trainer.deep.a.0=9",
        "solver.trainer.warmup=3",
    )
    assert loaded.config.solver.trainer == {
        "lr": 1e-5,
        "deep": {"a": [9, 2], "b": "y"},
        "warmup": 3,
    }
    assert loaded.sources["solver.trainer.lr"] == "my.yaml"
    assert loaded.sources["solver.trainer.deep.b"] == "override"


@pytest.mark.parametrize(
    ("override", "expected"),
    [("targets=q", "q"), ("targets=[q,k]", ["q", "k"]), ("limit=3", 3), ("limit=1e-3", 0.001)],
)
def test_unions_take_the_member_that_fits(override: str, expected: object) -> None:
    solver = from_overrides(f"solver.{override}").config.solver
    found = getattr(solver, override.partition("=")[0])
    assert (found, type(found)) == (expected, type(expected))


def test_dicts_of_sections_are_typed() -> None:
    assert from_overrides("solver.named.x.share=0.25").config.solver.named == {
        "x": Part("part", 0.25)
    }


def test_a_class_of_the_users_own_plugs_in_with_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "homemade.py").write_text(
        "from dataclasses import dataclass\n"
        "class Mine:\n"
        "    @dataclass(frozen=True)\n"
        "    class Options:\n"
        "        depth: int = 3\n"
        "    def __init__(self, options):\n"
        "        self.options = options\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    choice = from_overrides(
        "solver.objective={name: 'homemade:Mine', depth: 5}"
    ).config.solver.objective
    assert choice.build().options.depth == 5
    with pytest.raises(ConfigError, match=r"objective\.dept: unknown key.*did you mean 'depth'"):
        from_overrides("solver.objective={name: 'homemade:Mine', dept: 5}")


def test_a_base_is_inherited_through_a_chain(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("rounds: 1\nseed: 1\ntitle: a\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yaml").write_text("base: ../a.yaml\nseed: 2\ntitle: b\n")
    (tmp_path / "c.yaml").write_text("base: sub/b.yaml\ntitle: c\n")
    loaded = load_config(tmp_path / "c.yaml", [], Root)
    assert (loaded.config.rounds, loaded.config.seed, loaded.config.title) == (1, 2, "c")
    assert [loaded.sources[k] for k in ("rounds", "seed", "title")] == [
        "a.yaml",
        "b.yaml",
        "c.yaml",
    ]


def test_bases_that_form_a_loop_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("base: b.yaml\n")
    (tmp_path / "b.yaml").write_text("base: a.yaml\n")
    with pytest.raises(ConfigError, match=r"a\.yaml → b\.yaml → a\.yaml"):
        load_config(tmp_path / "a.yaml", [], Root)


def test_a_shipped_name_is_a_source_and_a_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "small.yaml"
    shipped.write_text("rounds: 77\n")
    monkeypatch.setattr(selfplay.config.loader, "shipped_configs", lambda: {"small": shipped})
    assert load_config("small", [], Root).config.rounds == 77
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: small\nseed: 1\n")
    assert load_config(mine, [], Root).config.rounds == 77
    with pytest.raises(ConfigError, match="did you mean 'small'"):
        load_config("smal", [], Root)


def test_shipped_configurations_are_yaml_files() -> None:
    assert all(path.is_file() and path.suffix == ".yaml" for path in shipped_configs().values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ruonds: 3", r"ruonds: unknown key, set in my\.yaml; did you mean 'rounds'"),
        ("solver: {model: {pth: x}}", r"solver\.model\.pth: unknown key.*did you mean 'path'"),
        ("solver: {objective: {bta: 1}}", r"solver\.objective\.bta: .*did you mean 'beta'"),
        ("solver: {parts: [{shar: 1}]}", r"solver\.parts\.0\.shar: .*did you mean 'share'"),
        (
            "solver: {objective: dppo}",
            r"solver\.objective: no component .*'dppo'; did you mean 'dpo'",
        ),
        ("solver: {objective: 3}", r"solver\.objective: expected a mapping .*found 3 \(int\)"),
        ("solver: {objective: {name: 3}}", r"objective\.name: expected the name .*found 3"),
        ("solver: {scales: [{factor: 1}]}", r"solver\.scales\.0: which component\?.*plain, scale"),
        ("solver: {scales: plain}", r"solver\.scales: expected a list; found 'plain' \(str\)"),
        ("solver: 3", r"solver: expected a mapping.*found 3 \(int\), set in my\.yaml"),
        ("solver:", r"solver: expected a mapping.*found nothing"),
        ("rounds: many", r"rounds: expected int; found 'many' \(str\), set in my\.yaml"),
        ("rounds: 2.5", r"rounds: expected int; found 2\.5 \(float\)"),
        ("rounds: true", r"rounds: expected int; found True \(bool\)"),
        ("rounds: null", "rounds: expected int; found nothing"),
        ("title: no", r"title: expected str; found False \(bool\).*put it in quotes"),
        ("solver: {greedy: 1}", r"solver\.greedy: expected bool; found 1 \(int\)"),
        ("solver: {limit: high}", r"solver\.limit: expected float or int or null; found 'high'"),
        ("solver: {targets: {a: 1}}", r"expected str or list\[str\]; found \{'a': 1\}"),
        ("solver: {betas: [1]}", r"solver\.betas: expected tuple\[float, float\]"),
        ("solver: {objective: {loss: sigmod}}", r"one of sigmoid, hinge; .*Did you mean 'sigmoid'"),
        ("solver: {model: {device: GPU}}", r"one of CPU, CUDA; found 'GPU'"),
        ("solver: {reference: {device: CPU}}", r"solver\.reference\.path: a value is needed"),
        ("solver: {objective: {name: simpo, gamma: 3}}", r"solver\.objective: gamma 3\.0 exceeds"),
        ("solver: {greedy: true, reference: x}", "solver: greedy and reference exclude"),
        ("solver: {objective: 'nowhere.at_all:X'}", "cannot import 'nowhere.at_all'.*PYTHONPATH"),
        ("solver: {objective: 'json:Nope'}", "module 'json' has no 'Nope'"),
        ("solver: {objective: './x.py:X'}", "expected 'package.module:Class'"),
        ("a: 1\n  b: [", r"my\.yaml, line 2, column 4: not valid YAML"),
        ("rounds: 1\nrounds: 2", r"my\.yaml, line 2.*duplicate key"),
        ("- 1\n- 2", "expected a mapping"),
        ("base: [a]", r"base: expected a file or a name; found \['a'\]"),
        ("base: nowhere.yaml", r"nowhere\.yaml' is no file"),
        ("title: ${nothing}", r"title: cannot fill in .*nothing"),
    ],
)
def test_a_wrong_file_gets_one_clear_message(load: Load, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(text)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rounds", "override 'rounds': expected key=value"),
        ("=3", "override '=3': expected key=value"),
        ("solver..model=3", "expected key=value"),
        ("rounds=[1", r"override 'rounds=\[1'.*: not valid YAML"),
        ("rounds=x", r"rounds: expected int; found 'x' \(str\), set by an override"),
        ("solver.model.path.x=1", r"solver\.model\.path: expected Path; found \{'x': 1\}"),
        ("rounds=", "rounds: expected int; found nothing"),
    ],
)
def test_a_wrong_override_gets_one_clear_message(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_overrides(override)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml' is no file.*shipped: "):
        load_config(tmp_path / "gone.yaml", [], Root)
    with pytest.raises(ConfigError, match="is a folder"):
        load_config(tmp_path, [], Root)


def test_values_refer_to_each_other_and_to_the_environment(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUN_TITLE", "from outside")
    loaded = load("rounds: ${seed}\ntitle: ${oc.env:RUN_TITLE}", "seed=12")
    assert (loaded.config.rounds, loaded.config.title) == (12, "from outside")


def test_an_escaped_interpolation_is_plain_text(load: Load) -> None:
    assert load(r"title: 'a \${b} c'").config.title == "a ${b} c"


def test_plain_data_survives_json_and_loads_to_the_same_configuration(load: Load) -> None:
    loaded = load(
        "solver: {objective: simpo, reference: x, trainer: {a: {}}, model: {device: CUDA}}"
    )
    recorded = json.loads(json.dumps(loaded.as_dict()))
    assert recorded["solver"]["objective"] == {"name": "simpo", "beta": 2.0, "gamma": 1.0}
    again = load_values(recorded, "ledger", Root)
    assert again.config == loaded.config
    assert again.as_dict() == loaded.as_dict()
    assert load_values(recorded, "ledger", Root, ["rounds=99"]).config.rounds == 99


def test_the_rendered_text_loads_to_the_same_configuration(load: Load) -> None:
    loaded = load(
        "title: \"two\\nlines: # {no} 'comment'\"\n"
        "solver: {scales: [scale, {name: plain, levels: []}], trainer: {on: 'off', x: {}}}",
        "solver.named={a: {}}",
        "solver.parts=[]",
    )
    assert load(loaded.render()).config == loaded.config


def test_rendered_comments_say_where_values_come_from_and_are_aligned(load: Load) -> None:
    lines = load("rounds: 3", "seed=5").render().splitlines()
    assert lines[0].split() == ["rounds:", "3", "#", "my.yaml"]
    assert lines[1].split() == ["seed:", "5", "#", "override"]
    assert lines[2].split() == ["title:", "untitled", "#", "default"]
    assert len({line.index("#") for line in lines if "#" in line}) == 1


def test_changing_the_plain_data_leaves_the_configuration_alone() -> None:
    loaded = from_overrides("solver.trainer.a=[1]")
    loaded.as_dict()["solver"]["trainer"]["a"].append(2)
    assert loaded.as_dict()["solver"]["trainer"] == {"a": [1]}
    assert loaded.config.solver.trainer == {"a": [1]}


def test_differences_are_the_dotted_keys_that_changed() -> None:
    a = from_overrides("rounds=1").as_dict()
    b = from_overrides("rounds=2", "solver.scales.1.factor=1", "solver.objective=simpo").as_dict()
    assert differences(a, a, set()) == []
    assert differences(a, b, {"rounds", "solver.objective"}) == ["solver.scales.1.factor"]
    assert "rounds" in differences(a, b, {"round"})
    assert "solver.objective.gamma" in differences(a, b, set())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["solver.sampling.n=100000"], "solver.sampling.n: expected 1 to 65536, found 100000"),
        (["creator.fresh_samples=100000"], "creator.fresh_samples: expected at most 65,536"),
        (["evaluation.samples=100000"], "evaluation.samples: expected at most 65,536"),
        (
            ["tasks=[{name: a, match: {task: [x]}, samples: 100000}]"],
            "tasks.0.samples: expected at most 65,536",
        ),
        (
            ["solver.sampling.n=4096", "solver.sampling.max_new_tokens=32768"],
            "creator.batch: expected at most 8,589,934,592 tokens a round",
        ),
    ],
)
def test_more_responses_than_a_round_can_hold_are_refused(
    overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("tiny", [*overrides, "creator.batch=512"])
