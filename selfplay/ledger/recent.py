"""What was written or read last, kept so that the next stage need not read it back.

Purely a matter of speed: everything here equals what the database would give, and a transaction
that is rolled back empties it.
"""

from __future__ import annotations

from collections.abc import Sequence

from selfplay.core.types import Group, Prompt, Verdict

GROUP_SETS = 2
"""(round, label) pairs: the round under way and the one before."""
PROMPTS = 8192


class Recent:
    """The last sets of groups, and prompts by their id."""

    def __init__(self, group_sets: int = GROUP_SETS, prompts: int = PROMPTS) -> None:
        """How much is kept at most; 0 keeps nothing, as a reader of a live run must."""
        self._most_sets, self._most_prompts = group_sets, prompts
        self._groups: dict[tuple[int, str], list[Group]] = {}
        self._prompts: dict[str, Prompt] = {}

    def clear(self) -> None:
        """Forgets everything."""
        self._groups.clear()
        self._prompts.clear()

    def groups(self, t: int, label: str) -> list[Group] | None:
        """The groups under (t, label), where all of them are known."""
        found = self._groups.get((t, label))
        return None if found is None else list(found)

    def keep_groups(self, t: int, label: str, start: int, groups: Sequence[Group]) -> None:
        """Notes a chunk that begins at position `start`; one that does not fit on is forgotten."""
        known = self._groups.pop((t, label), [])
        if len(known) == start:
            self._groups[t, label] = [*known, *groups]
        while len(self._groups) > self._most_sets:
            del self._groups[next(iter(self._groups))]

    def keep_verdicts(
        self,
        t: int,
        label: str,
        start: int,
        verdicts: Sequence[Sequence[Verdict]],
        judges: Sequence[str],
    ) -> None:
        """Judges known groups from position `start` on, by the fingerprints `judges`."""
        known = self._groups.get((t, label), [])
        for place, (found, judge) in enumerate(zip(verdicts, judges, strict=True), start=start):
            if place < len(known):
                known[place] = known[place].judged(found, judge)

    def forget_groups(self, t: int, label: str) -> None:
        """The database is about to say something else of these."""
        self._groups.pop((t, label), None)

    def prompts(self, ids: Sequence[str]) -> dict[str, Prompt]:
        """Those of the prompts that are known."""
        return {id_: self._prompts[id_] for id_ in ids if id_ in self._prompts}

    def forget_prompts(self, prompts: Sequence[Prompt]) -> None:
        """The database is about to say something else of these."""
        for prompt in prompts:
            self._prompts.pop(prompt.id, None)

    def keep_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Notes prompts as the database gave them."""
        for prompt in prompts:
            self._prompts.pop(prompt.id, None)
            self._prompts[prompt.id] = prompt
        while len(self._prompts) > self._most_prompts:
            del self._prompts[next(iter(self._prompts))]
