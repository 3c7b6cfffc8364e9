"""Who may import whom, read from the source of every module; and what must start without torch."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROLES = ("creator", "solver", "meta")
PACKAGES = ("selfplay", *ROLES)

LIGHT_CORE = ("types", "errors", "components", "seeding", "text", "gym", "checks")
HEAVY = (
    *("torch", "transformers", "trl", "peft", "accelerate", "datasets", "pandas", "pyarrow"),
    *("sentence_transformers", "reasoning_gym", "math_verify", "ray", "vllm"),
)

Graph = Mapping[str, set[str]]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    """(module, attribute) of every import, also of late ones; not of those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, None) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, f"relative import of {child.module}"
            yield from ((child.module or "", alias.name) for alias in child.names)
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from imports_of(child)


def import_graph() -> dict[str, set[str]]:
    """Each module of the four packages with what it imports; our modules by their exact names."""
    paths = {module_name(p): p for package in PACKAGES for p in (ROOT / package).rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in paths.items():
        found = imports_of(ast.parse(path.read_text(encoding="utf-8")))
        graph[name] = {
            f"{module}.{attribute}" if f"{module}.{attribute}" in paths else module
            for module, attribute in found
        }
    return graph


def cycle_in(graph: Graph) -> list[str]:
    """The modules of one import cycle, in order, or an empty list."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for imported in sorted(graph.get(name, ())):
            if found := walk(imported, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def offenders(importer: str, forbidden: tuple[str, ...], allowed: str = "") -> list[str]:
    return [
        f"{module} imports {target}"
        for module, targets in import_graph().items()
        if within(module, importer)
        for target in sorted(targets)
        if any(within(target, package) for package in forbidden)
        and not (allowed and within(target, allowed))
    ]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_imports_no_other_role(role: str) -> None:
    assert offenders(role, tuple(other for other in ROLES if other != role)) == []


@pytest.mark.parametrize("role", ROLES)
def test_of_selfplay_a_role_imports_the_core_alone(role: str) -> None:
    assert offenders(role, ("selfplay",), allowed="selfplay.core") == []


def test_the_core_imports_nothing_above_itself() -> None:
    assert offenders("selfplay.core", PACKAGES, allowed="selfplay.core") == []


FLOORS = (
    *("core", "paths", "events", "data", "ledger", "drafts", "tiny", "stopping", "tracking"),
    *("config", "process", "stages", "review", "game", "build", "loop", "analysis", "job", "fork"),
    *("offline", "report", "exports", "ablation", "reference", "cli", "__main__"),
)
"""The folders and modules of `selfplay/`, from the ground up."""


def test_within_selfplay_nothing_imports_what_is_above_it() -> None:
    graph = import_graph()
    floors = {f"selfplay.{name}": floor for floor, name in enumerate(FLOORS)}
    up = {
        f"{module} imports {target}"
        for module, targets in graph.items()
        for target in targets
        if (own := floors.get(room_of(module))) is not None
        and floors.get(room_of(target), own) > own
    }
    assert up == set()


def test_every_room_of_selfplay_has_its_floor() -> None:
    rooms = {room_of(module) for module in import_graph() if within(module, "selfplay")}
    assert rooms - {"selfplay"} == {f"selfplay.{name}" for name in FLOORS}


def room_of(module: str) -> str:
    """The folder or module right under a package."""
    return ".".join(module.split(".")[:2])


def test_there_is_no_import_cycle() -> None:
    assert cycle_in(import_graph()) == []


def test_a_cycle_would_be_found() -> None:
    assert cycle_in({"a": {"b", "os"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": {"os"}}) == []


def test_imports_are_read_where_they_stand() -> None:
    source = """
if TYPE_CHECKING:
    import unseen
def late():
    from solver import pairs
import meta.judge as judge
"""
    assert list(imports_of(ast.parse(source))) == [("solver", "pairs"), ("meta.judge", None)]


def declared_requirements() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    used = [*project["dependencies"], *extras["vllm"], *extras["ray"], *extras["embed"]]
    return {re.split(r"[^a-z0-9-]", requirement)[0] for requirement in used}


def test_every_third_party_import_is_a_declared_requirement() -> None:
    providers = importlib.metadata.packages_distributions()
    known = {*sys.stdlib_module_names, *PACKAGES}
    undeclared = {
        f"{module} imports {target}"
        for module, targets in import_graph().items()
        for target in targets
        if (top := target.partition(".")[0]) not in known
        and declared_requirements().isdisjoint(
            name.lower().replace("_", "-") for name in providers.get(top, [top])
        )
    }
    assert undeclared == set()


def light_modules() -> list[str]:
    """What reading a configuration and starting the command line imports."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("config.py")]
    paths += [ROOT / "selfplay" / "config" / "settings.py"]
    paths += (ROOT / "selfplay").rglob("table.py")
    paths += [ROOT / "selfplay" / "core" / f"{name}.py" for name in LIGHT_CORE]
    paths += [ROOT / "selfplay" / "cli" / "main.py"]
    return sorted({*PACKAGES, *(module_name(path) for path in paths if path.exists())})


def test_configurations_and_the_command_line_import_nothing_heavy() -> None:
    script = f"""
import importlib, sys
sys.path.insert(0, {str(ROOT)!r})
for name in {light_modules()!r}:
    importlib.import_module(name)
    loaded = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]
    assert not loaded, f"importing {{name}} loads {{loaded}}"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
