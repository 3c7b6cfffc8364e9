"""Rubrics by cluster of prompts, as one versioned document.

A rubric set is a default rubric and, for some clusters, criteria of their own. It has one version
and one name; a cluster without criteria of its own, and a prompt of no cluster, go by the default.
Its YAML is that of a rubric with two more keys, so a plain rubric is a set without clusters:

    name: solutions
    version: 4
    criteria: [...]                    # the default
    clusters: {model: packaged, clusters: [{name: algebra-1, task: algebra, centroid: ...}]}
    by_cluster: {algebra-1: [...]}     # criteria
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from meta.judges import fingerprint_of
from meta.rubrics.clusters import Cluster, Clusters
from meta.rubrics.diff import RubricDiff, diff
from meta.rubrics.rubric import (
    Criterion,
    Rubric,
    arguments,
    criteria_from,
    criterion_as_dict,
    read_file,
    write_yaml,
)
from meta.rubrics.yaml_text import Lines, read_yaml
from selfplay.core.errors import DataError, nearest

DEFAULT = "default"
"""How differences call the rubric of prompts without one of their cluster's own."""


@dataclass(frozen=True)
class RubricSet:
    """A default rubric, and criteria by cluster."""

    default: Rubric
    clusters: Clusters | None = None
    by_cluster: Mapping[str, tuple[Criterion, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.clusters.names if self.clusters else ()
        for name in self.by_cluster:
            if name not in names:
                raise DataError(
                    f"rubric '{self.default.name}': by_cluster: no cluster is called '{name}'; "
                    f"{nearest(str(name), names)}"
                )
            self.rubric_of(name)

    @property
    def version(self) -> int:
        """Of all of it."""
        return self.default.version

    @property
    def fingerprint(self) -> str:
        """12 hex digits; the default rubric's own where there are no clusters."""
        if self.clusters is None:
            return self.default.fingerprint
        own = {name: self.rubric_of(name).fingerprint for name in self.by_cluster}
        return fingerprint_of([self.default.fingerprint, self.clusters.fingerprint, own])

    def rubric_of(self, cluster: str | None) -> Rubric:
        """The rubric that a cluster's prompts are judged by.

        Raises:
            DataError: the cluster's criteria are not a rubric.
        """
        if cluster is None or cluster not in self.by_cluster:
            return self.default
        try:
            return replace(self.default, criteria=self.by_cluster[cluster])
        except DataError as error:
            raise DataError(f"cluster '{cluster}': {error}") from error

    def revised(self, cluster: str | None, rubric: Rubric, version: int) -> RubricSet:
        """The set with another rubric for one cluster, or, for None, another default."""
        default = replace(self.default, version=version)
        if cluster is None:
            return replace(self, default=replace(default, criteria=rubric.criteria))
        own = {**self.by_cluster, cluster: rubric.criteria}
        return replace(self, default=default, by_cluster=own)

    def to_yaml(self) -> str:
        """YAML that `rubric_set_from_yaml` reads back; a plain rubric's without clusters."""
        if self.clusters is None:
            return self.default.to_yaml()
        own = {
            name: [criterion_as_dict(criterion) for criterion in self.by_cluster[name]]
            for name in self.clusters.names
            if name in self.by_cluster
        }
        clusters = {"clusters": {"model": self.clusters.model, "clusters": _plain(self.clusters)}}
        return self.default.to_yaml() + write_yaml({**clusters, "by_cluster": own})


def _plain(clusters: Clusters) -> list[dict[str, Any]]:
    return [asdict(cluster) for cluster in clusters.clusters]


def rubric_set_from_yaml(text: str) -> RubricSet:
    """The rubric set, or the plain rubric, that `text` spells.

    Raises:
        DataError: as `rubric_from_yaml`, or clusters that cannot be used; says where.
    """
    content, lines = read_yaml(text, "rubric")
    if not isinstance(content, dict):
        raise DataError(f"rubric: expected a mapping, found {content!r}")
    rest = {key: value for key, value in content.items() if key not in ("clusters", "by_cluster")}
    given = arguments(rest, Rubric, "rubric")
    default = Rubric(criteria_from(given.pop("criteria", None), "criteria", lines), **given)
    clusters = _clusters(content["clusters"]) if "clusters" in content else None
    return RubricSet(default, clusters, _by_cluster(content.get("by_cluster", {}), lines))


def read_rubric_set(path: Path) -> RubricSet:
    """The rubric set, or the plain rubric, in a YAML file.

    Raises:
        DataError: the file is absent, or is neither.
    """
    return read_file(path, rubric_set_from_yaml)


def _by_cluster(content: object, lines: Lines) -> dict[str, tuple[Criterion, ...]]:
    if not isinstance(content, dict):
        raise DataError(f"by_cluster: expected a mapping from clusters, found {content!r}")
    return {
        str(name): criteria_from(entries, str(name), lines, "by_cluster")
        for name, entries in content.items()
    }


def _clusters(content: object) -> Clusters:
    given = arguments(content, Clusters, "clusters")
    entries = given.get("clusters")
    if not isinstance(entries, list) or not isinstance(given.get("model"), str):
        raise DataError("clusters: expected 'model', a name, and 'clusters', a list")
    found = [arguments(entry, Cluster, f"cluster {i}") for i, entry in enumerate(entries, 1)]
    for i, entry in enumerate(found, 1):
        if len(entry) < 3 or not all(isinstance(value, str) for value in entry.values()):
            raise DataError(f"cluster {i}: expected name, task and centroid, all of them texts")
    return Clusters(given["model"], tuple(Cluster(**entry) for entry in found))


def diff_sets(before: RubricSet, after: RubricSet) -> dict[str, RubricDiff]:
    """By cluster, `default` first, what changed; a cluster's own rubric may be the default's."""
    names = dict.fromkeys(name for s in (before, after) for name in s.by_cluster)
    found = {DEFAULT: diff(before.default, after.default)}
    found |= {name: diff(before.rubric_of(name), after.rubric_of(name)) for name in names}
    return {name: change for name, change in found.items() if change}
