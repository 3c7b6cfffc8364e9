"""What a child has beyond its ancestors: what likeness gates compare in place of the whole text.

An operator in depth is asked to keep the parent and to add to it, so a child is like its parent
because it should be. Nobody is turned down for being like an ancestor, however far back; what it
*adds* has to be new: it is compared with what siblings and the rest of the archive have beyond the
same ancestors. A child that adds nothing is its ancestor again: no word that says anything, no
figure. Words that change nothing are articles, pronouns, auxiliaries, prepositions and politeness,
and a text with its words in another order has no new ones.

Limit: the list of such words is English; in other languages every new word counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

from creator.gates.context import Admitted
from creator.gates.words import asked_text, figures, jaccard, shingles
from selfplay.core.types import Prompt
from selfplay.core.words import words

_EMPTY = """
    a an the this that these those i me my we us our you your he him his she her it its they them
    their be is are was were been being am do does did have has had will would shall should can
    could may might to of in on at by for from with as into onto upon and or but so then there here
    please kindly thanks thank just also very really quite now well okay ok hello hi dear
"""
"""Words that add nothing. Negations, quantities and comparisons are none of them."""

_COURTESY = frozenset({"please", "kindly", "thanks", "thank"})
"""Left out of what was added: to an embedding of five words one of them is much."""


class Ancestry:
    """Looks up whom prompts come from, in the archive."""

    def __init__(self, archive: Admitted) -> None:
        self._archive = archive

    def of(self, prompts: Sequence[Prompt]) -> list[list[Prompt]]:
        """All ancestors of each prompt, parents first; none of one that was not evolved."""
        known: dict[str, Prompt] = {}
        wanted = {id_ for prompt in prompts for id_ in prompt.lineage.parents}
        while wanted:
            found = self._archive.prompts(sorted(wanted))
            known |= {prompt.id: prompt for prompt in found}
            wanted = {id_ for prompt in found for id_ in prompt.lineage.parents} - known.keys()
        return [_ancestors(prompt, known) for prompt in prompts]


def _ancestors(prompt: Prompt, known: dict[str, Prompt]) -> list[Prompt]:
    found: dict[str, Prompt] = {}
    ahead = list(prompt.lineage.parents)
    while ahead:
        id_ = ahead.pop(0)
        if id_ not in found:
            found[id_] = known[id_]
            ahead += known[id_].lineage.parents
    return list(found.values())


def adds_nothing(prompt: Prompt, ancestors: Sequence[Prompt]) -> bool:
    """Is the prompt one of its ancestors again, with no word or figure of its own that matters?

    A prompt that leaves out a part (`simplify`) is another one: it is held against each ancestor,
    and has to have all of its words.
    """
    text = asked_text(prompt)
    said, counted = _telling(text), figures(text)
    return any(
        said == _telling(before) and counted == figures(before)
        for before in map(asked_text, ancestors)
    )


def _telling(text: str) -> frozenset[str]:
    return frozenset(words(text)).difference(_EMPTY.split())


def additions(text: str, ancestors: Sequence[str]) -> list[list[str]]:
    """The runs of words that are the text's own: no ancestor has one beside either neighbour.

    So a seam where something was left out is no run. Without ancestors the whole text is one;
    empty without words.
    """
    if not ancestors:
        return [words(text)] if words(text) else []
    said = [word for word in words(text) if word not in _COURTESY]
    if not said:
        return []
    known = {pair for before in ancestors for pair in pairwise(words(before))}
    fresh = [pair not in known for pair in pairwise(said)]
    if not fresh:
        alone = {word for before in ancestors for word in words(before)}
        return [] if said[0] in alone else [said]
    own = [left and right for left, right in pairwise([fresh[0], *fresh, fresh[-1]])]
    return [
        [word for word, _ in run]
        for is_own, run in groupby(zip(said, own, strict=True), lambda item: item[1])
        if is_own
    ]


def additions_text(prompt: Prompt, ancestors: Sequence[Prompt]) -> str:
    """What a prompt adds to some ancestors as one text; the whole text where there are none."""
    text = asked_text(prompt)
    if not ancestors:
        return text
    runs = additions(text, [asked_text(ancestor) for ancestor in ancestors])
    return "; ".join(" ".join(run) for run in runs)


def likeness(text: str, other: str, ancestors: Sequence[str], width: int) -> float:
    """Jaccard similarity of what two texts add to the first one's ancestors, in shingles.

    Of two texts that add nothing, which differ by what they leave out, the whole is compared.
    """
    one, two = (_shingled(additions(side, ancestors), width) for side in (text, other))
    if one or two:
        return jaccard(one, two)
    return jaccard(shingles(words(text), width), shingles(words(other), width))


def _shingled(runs: Sequence[list[str]], width: int) -> set[tuple[str, ...]]:
    return {shingle for run in runs for shingle in shingles(run, width)}
