"""The policy that ships with the project."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from selfplay.config import load_config
from selfplay.data.sources import gym_spaces
from selfplay.paths import TINY
from selfplay.tiny.make import check
from selfplay.tiny.spaces import MAX_NEW_TOKENS, TINY_SEED_LEVELS, TINY_SPACES


def test_the_weights_are_those_whose_quality_was_measured() -> None:
    record = json.loads((TINY / "quality.json").read_text())
    weights = (TINY / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == record["sha256"]
    assert check(TINY) == []


def test_the_ceiling_lies_above_the_start() -> None:
    record = json.loads((TINY / "quality.json").read_text())
    for asked, start in record["start"].items():
        assert record["ceiling"][asked]["all"] > start["all"]


def test_the_policy_is_about_a_million_parameters_in_at_most_eight_megabytes() -> None:
    record = json.loads((TINY / "quality.json").read_text())
    assert 5e5 < record["parameters"] < 2e6
    assert sum(path.stat().st_size for path in Path(TINY).iterdir()) < 8e6


def test_the_configuration_plays_where_the_policy_was_pretrained() -> None:
    config = load_config("tiny", []).config
    assert gym_spaces(config.spaces) == {space.generator: space for space in TINY_SPACES}
    assert config.solver.sampling.max_new_tokens == MAX_NEW_TOKENS
    assert config.prompts.options.levels == {
        generator: {name: list(levels) for name, levels in attributes.items()}
        for generator, attributes in TINY_SEED_LEVELS.items()
    }
