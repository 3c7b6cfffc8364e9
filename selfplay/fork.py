"""A new run from an old round: the ledger up to it, the policy of it, and what may be changed.

The fork's ledger is a copy of its parent's, cut after the round; the note in it says whose rounds
they are. So what its rounds took counts in its budgets, and a fork without changes plays on as its
parent did, bit by bit. It is built beside its place, under another name, and gets its own when it
is whole: a fork that is killed leaves nothing that looks like a run, and the same command makes it
again. The policy is linked where the file system can, else copied. Where the
parent does not keep that version, it is learned again from the nearest older one and the recorded
groups: by the run itself when it begins, or here and now where the configuration changes, since
those lessons are the parent's. The first version is always kept, so every recorded round will do.

Left out: what people left as feedback and nobody has read yet, and trackers' logs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.config import Loaded, differences, load_values
from selfplay.config.settings import GROWING, RunConfig
from selfplay.core.errors import ConfigError, LedgerError
from selfplay.core.places import writing
from selfplay.drafts import draft_of
from selfplay.ledger import Ledger
from selfplay.paths import CREATOR, LEDGER, POLICY

FIXED: Mapping[str, str] = {
    "prompts": "the originals were dealt in round 0",
    "recorded": "recorded groups were read in round 0",
    "evaluation.source": "the held-out prompts were dealt in round 0",
    "model.path": "the policy goes on from its weights",
    "model.lora": "the policy goes on from its weights",
    "model.quantization": "the policy goes on from its weights",
    "meta.rubric": "the rubric in force is the ledger's; `selfplay rubric` commands change it",
    "meta.review.anchors": "the first anchors were made in round 0",
}
"""Keys that a fork has from its parent, and why."""
COACHED = ("seed", "coaching", "creator.training", "creator.rewriter")
"""Keys that the rewriter's own network depends on, which is learned again from its replies."""


@dataclass(frozen=True)
class Forked:
    """What became of it."""

    directory: Path
    round: int
    changed: tuple[str, ...]
    """Keys in which its configuration differs from its parent's."""
    behind: int
    """Learning stages that the run learns again when it begins."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**vars(self), "directory": str(self.directory)}


def fork(parent: Path, out: Path, t: int | None = None, overrides: Sequence[str] = ()) -> Forked:
    """Makes the run directory `out` from the run in `parent`, which may be live.

    Args:
        parent: a run directory.
        out: where nothing is, or an empty directory.
        t: a recorded round; None: the last one.
        overrides: `key=value` each, on the parent's configuration.

    Returns:
        Its directory and round, and the keys that were changed.

    Raises:
        LedgerError: there is no such round, or something in `out`, or another process makes it.
        ConfigError: an override is wrong, or changes what has been decided.
        ResourceError: `out` cannot be written.
    """
    with Ledger.open(parent / LEDGER, read_only=True) as ledger:
        before = load_values(ledger.settings, str(parent), RunConfig)
        loaded = load_values(ledger.settings, str(parent), RunConfig, overrides)
        t = ledger.last_round() if t is None else t
        _refuse_place(ledger, parent, out, t)
        changed = differences(before.as_dict(), loaded.as_dict(), set())
        _refuse(before, loaded, changed, t)
        with draft_of(out) as draft:
            with writing(draft):
                _bring_policies(ledger, parent, draft, t)
            ledger.copy(draft / LEDGER, t, str(parent))
            behind = _settle(draft)
            if behind and differences(before.as_dict(), loaded.as_dict(), set(GROWING)):
                _catch_up(before, draft, t)
                behind = 0
            with Ledger.open(draft / LEDGER) as made:
                made.amend_settings(loaded.as_dict())
    return Forked(out, t, tuple(changed), behind)


def _refuse_place(ledger: Ledger, parent: Path, out: Path, t: int) -> None:
    """Raises LedgerError before anything is written."""
    if (out / LEDGER).exists():
        raise LedgerError(
            f"expected no ledger at {out / LEDGER}, found one; choose another directory"
        )
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise LedgerError(
            f"expected nothing at {out} or an empty directory, found files that are no run's; "
            "remove them, or choose another directory"
        )
    if not ledger.stage_done(t, "record"):
        last = ledger.last_round() if ledger.stage_done(0, "record") else None
        known = "a run whose round 0 is recorded" if last is None else f"a round from 0 to {last}"
        raise LedgerError(f"{parent}: expected {known}, found round {t}")


def _refuse(
    before: Loaded[RunConfig], loaded: Loaded[RunConfig], changed: Sequence[str], t: int
) -> None:
    """Raises ConfigError for a change that would say what is not so."""
    fixed = dict(FIXED)
    if before.config.creator.trains_own and t:
        fixed |= dict.fromkeys(COACHED, "the rewriter's network is learned again from its replies")
    if not before.config.meta.review.enabled:
        fixed["meta.review.enabled"] = "the anchors that reviews rest on are made in round 0"
    for key in changed:
        for name, why in fixed.items():
            if key == name or key.startswith(f"{name}."):
                raise ConfigError(
                    f"{key}: a fork has this from its parent ({why}); leave it as it is, or start "
                    "a new run"
                )


def _bring_policies(ledger: Ledger, parent: Path, out: Path, t: int) -> None:
    """Brings the first and the newest of the policies that the parent keeps of rounds up to `t`."""
    solver = [entry.version for entry in ledger.policies() if entry.round <= t]
    coached = sum(1 for r, stage in ledger.stages() if stage == "coach" and r <= t)
    for place, versions in (
        (Path(POLICY), solver),
        (Path(CREATOR) / POLICY, range(1, coached + 1)),
    ):
        kept = [version for version in versions if (parent / place / str(version)).is_dir()]
        for version in dict.fromkeys([*kept[:1], *kept[-1:]]):
            target = out / place / str(version)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(parent / place / str(version), target, copy_function=_link)


def _link(source: str, target: str) -> None:
    """A second name for a file that is never written in place; a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _settle(out: Path) -> int:
    """Notes which versions there are; how many learning stages the newest one is behind."""
    with Ledger.open(out / LEDGER) as ledger:
        for entry in ledger.policies():
            ledger.mark_saved(entry.version, saved=(out / POLICY / str(entry.version)).is_dir())
        newest = max((entry.version for entry in ledger.policies() if entry.saved), default=0)
        return sum(1 for _, stage in ledger.stages() if stage == "learn") - newest


def _catch_up(before: Loaded[Any], out: Path, t: int) -> None:
    """Learns again what the parent learned, as it did, and saves the policy of round `t`."""
    from selfplay.build import open_game
    from selfplay.loop import catch_up

    with open_game(before, out) as game:
        for _ in catch_up(game):
            pass
        sha256 = game.policies.save(game.solver)
        game.ledger.add_policy(game.solver.version, t, sha256, saved=True)
