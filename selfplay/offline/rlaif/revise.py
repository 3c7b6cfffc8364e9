"""Revised answers as training data: `meta.constitution.revising` on a file of prompts.

A row is a demonstration (`prompt`, `completion`), which `selfplay train --objective sft` reads; it
keeps the first `answer` as `first_answer` and every step with its principle. A chain that broke off
is among the missing ones, with what there was of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Any

from meta.constitution.constitution import constitution_file, read_constitution
from meta.constitution.revising import WORDING, Chain
from meta.constitution.revising import revise as chains_of
from meta.judges.llm.asking import Asked
from meta.judges.llm.quoting import VERSION as QUOTING
from selfplay.config import Loaded, load_config
from selfplay.core.notices import note
from selfplay.core.seeding import Seed
from selfplay.core.types import Prompt
from selfplay.data.prompts import read_prompts
from selfplay.offline.rlaif.config import ReviseConfig
from selfplay.offline.rlaif.prompt_rows import prompt_columns
from selfplay.offline.rlaif.writing import Done, Made, Rows, file_hash, made, written

ROWS = "demonstrations.jsonl"


def revise(
    prompts: str | Path,
    directory: str | Path,
    overrides: Sequence[str] = (),
    source: str | Path | None = None,
    watch: Callable[[Done], None] = lambda _: None,
) -> Made:
    """Has a model answer prompts, criticise its answers and revise them; or goes on with that.

    Args:
        prompts: a file of them.
        directory: what is made goes there.
        overrides: `key=value` each, such as `model=DIR` or `constitution=mine.yaml`.
        source: a YAML file with a `ReviseConfig`.
        watch: called after every chunk. It may raise to leave: the same call goes on from there.

    Returns:
        The file of rows, and how many there are and are missing.

    Raises:
        ConfigError, DataError, ModelError: something cannot be used.
        EndpointError: the model's server answers nothing at all.
        LedgerError: the directory holds another job, or another process is at work there.
    """
    named = f"prompts.path={json.dumps(str(prompts))}"
    loaded = load_config(source, [named, *overrides], ReviseConfig)
    with closing(revising(loaded, Path(directory))) as work:
        for done in work:
            watch(done)
    path = getattr(loaded.config.model.options, "path", "") or "DIR"
    return made(Path(directory), ROWS, f"--model {quote(str(path))} --objective sft")


def revising(loaded: Loaded[ReviseConfig], directory: Path) -> Generator[Done, None, None]:
    """Yields after every chunk. Raises as `revise`."""
    config = loaded.config
    read = read_prompts(config.prompts)
    for text in read.notes:
        note(text)
    prompts = read.prompts
    constitution = read_constitution(constitution_file(config.constitution))
    asked = Asked(config.model)
    job = {
        "config": loaded.as_dict(),
        "data_sha256": file_hash(Path(config.prompts.path)),
        "constitution": constitution.fingerprint,
        "model": asked.content,
        "wording": f"{WORDING}.{QUOTING}",
    }

    def work(some: Sequence[Prompt]) -> tuple[Rows, Rows]:
        seed = Seed(config.seed, ("revise",))
        found = chains_of(some, asked.model, constitution, config.revisions, config.sampling, seed)
        return (
            [_row(chain) | {"completion": chain.text} for chain in found if not chain.reason],
            [_row(chain) | {"reason": chain.reason} for chain in found if chain.reason],
        )

    yield from written(directory, ROWS, job, prompts, config.chunk, work)


def _row(chain: Chain) -> dict[str, Any]:
    return {
        **prompt_columns(chain.prompt),
        "first_answer": chain.answer,
        "steps": [asdict(step) for step in chain.steps],
    }
