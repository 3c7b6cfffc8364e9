"""Help and configuration answer without loading what only a run needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selfplay.core.errors import ConfigError

ROOT = Path(__file__).parents[3]
HEAVY = {
    "accelerate",
    "datasets",
    "math_verify",
    "pandas",
    "peft",
    "pyarrow",
    "reasoning_gym",
    "rich",
    "scipy",
    "sentence_transformers",
    "torch",
    "transformers",
    "trl",
}
SCRIPT = """
import sys
from selfplay.cli.main import main
sys.argv = ["selfplay", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    code = stop.code
print("MODULES", *{name.partition(".")[0] for name in sys.modules})
sys.exit(code)
"""
SHIPPED = sorted((ROOT / "configs").glob("*.yaml"))


def modules_after(*arguments: str) -> set[str]:
    """Top-level modules that a command leaves loaded."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    # A shipped configuration that leaves a value to the user ends with a configuration error.
    assert done.returncode in (0, ConfigError.exit_code), done.stderr
    return set(done.stdout.rsplit("MODULES", maxsplit=1)[1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["config", "--help"], ["config"]])
def test_nothing_heavy_is_loaded(arguments: list[str]) -> None:
    loaded = modules_after(*arguments)
    assert "selfplay" in loaded
    assert not HEAVY & loaded


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_nothing_heavy_is_loaded_to_read_a_shipped_configuration(path: Path) -> None:
    assert not HEAVY & modules_after("config", str(path))
