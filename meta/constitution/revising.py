"""Critique and revision: answers that a model mends itself, one drawn principle at a time.

The supervised phase of Constitutional AI (Bai et al., 2022, arXiv 2212.08073, section 3): the model
answers, criticises its answer under a randomly drawn principle, and revises it; several times over,
each time under a principle of its own draw (so one may come twice). The last revision is what a
model is then fine-tuned to say.

Prompts and answers are shown as quoted material (`meta.judges.llm.quoting`), here in place of the
paper's continued conversation, so that an answer gives its critic no orders. A reply that repeats
the quotation's code has copied the frame and not revised anything. A chain in which one reply is
cut off, empty or not there has no result: it keeps what was said and the reason. All prompts take a
step together, so that a model's batches are full. Left out: few-shot critiques, and revisions
without a critique.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from meta.constitution.constitution import Constitution, Principle
from meta.judges.llm.asking import replies_of
from meta.judges.llm.quoting import asked, code_for, material
from selfplay.core.seeding import Seed
from selfplay.core.text import TextModel
from selfplay.core.types import Chat, Prompt, Response, Sampling, user

WORDING = 1
"""Goes up when a request's wording changes."""

_CRITIQUE = """\
A response to a prompt is criticised.

{shown}

{request}
Reply with the critique alone, in a few sentences. Do not rewrite the response yet."""

_REVISION = """\
A response to a prompt is revised after a critique.

{shown}

{request} Mend what the critique rightly points out, and keep what was good.
Reply with the revised response alone, as it should be given to the prompt."""


@dataclass(frozen=True)
class Step:
    """One turn of critique and revision."""

    principle: str
    """Its id."""
    critique: str
    revision: str


@dataclass(frozen=True)
class Chain:
    """An answer, its revisions, and why there is no more of them where there is not."""

    prompt: Prompt
    answer: str = ""
    """The first one."""
    steps: tuple[Step, ...] = ()
    reason: str = ""
    """Why the chain broke off; empty for a whole one."""

    @property
    def text(self) -> str:
        """The newest version of the answer."""
        return self.steps[-1].revision if self.steps else self.answer

    def broken(self, reason: str) -> Chain:
        """The same, ending here."""
        return replace(self, reason=reason)

    def after(self, step: Step) -> Chain:
        """The same with one more step."""
        return replace(self, steps=(*self.steps, step))


def revise(
    prompts: Sequence[Prompt],
    model: TextModel,
    constitution: Constitution,
    revisions: int,
    sampling: Sampling,
    seed: Seed,
) -> list[Chain]:
    """A chain for each prompt, in order.

    Args:
        prompts: to answer.
        model: answers, criticises and revises.
        constitution: a principle of it is drawn for every revision of every prompt.
        revisions: how many, one or more.
        sampling: of every reply; its `n` is 1.
        seed: draws follow from it, the revision's number and the prompt.

    Raises:
        EndpointError: the model's server answers nothing at all.
    """
    answers = replies_of(model, [p.messages for p in prompts], sampling, seed.at("answer"))
    chains = []
    for prompt, answer in zip(prompts, map(_read, answers), strict=True):
        text, reason = answer
        chains.append(Chain(prompt, text).broken(reason and f"answer: {reason}"))
    for number in range(1, revisions + 1):
        alive = [i for i, chain in enumerate(chains) if not chain.reason]
        stepped = _step([chains[i] for i in alive], model, constitution, number, sampling, seed)
        for i, chain in zip(alive, stepped, strict=True):
            chains[i] = chain
    return chains


def _step(
    chains: Sequence[Chain],
    model: TextModel,
    constitution: Constitution,
    number: int,
    sampling: Sampling,
    seed: Seed,
) -> list[Chain]:
    """The chains with one more critique and revision, or broken off."""
    where = seed.at("revision", number)
    drawn = [constitution.drawn(where.at("principle", chain.prompt.id)) for chain in chains]
    requests = [_critique(chain, principle) for chain, principle in zip(chains, drawn, strict=True)]
    critiques = _answered(model, requests, sampling, where.at("critique"))
    told = [(i, text) for i, (text, reason) in enumerate(critiques) if not reason]
    requests = [_revision(chains[i], drawn[i], critique) for i, critique in told]
    revisions = _answered(model, requests, sampling, where.at("revise"))
    found = [
        chain.broken(f"critique {number}: {reason}")
        for chain, (_, reason) in zip(chains, critiques, strict=True)
    ]
    for (i, critique), (text, reason) in zip(told, revisions, strict=True):
        if reason:
            found[i] = chains[i].broken(f"revision {number}: {reason}")
        else:
            found[i] = chains[i].after(Step(drawn[i].id, critique, text))
    return found


def _critique(chain: Chain, principle: Principle) -> tuple[Chat, str]:
    texts = {"prompt": asked(chain.prompt), "response": chain.text}
    code = code_for([*texts.values()])
    return user(_CRITIQUE.format(shown=material(texts, code), request=principle.critique)), code


def _revision(chain: Chain, principle: Principle, critique: str) -> tuple[Chat, str]:
    texts = {"prompt": asked(chain.prompt), "response": chain.text, "critique": critique}
    code = code_for([*texts.values()])
    return user(_REVISION.format(shown=material(texts, code), request=principle.revision)), code


def _answered(
    model: TextModel, requests: Sequence[tuple[Chat, str]], sampling: Sampling, seed: Seed
) -> list[tuple[str, str]]:
    """Each request's reply and why it cannot be used; one of the two is empty."""
    replies = replies_of(model, [chat for chat, _ in requests], sampling, seed)
    return [_read(reply, code) for reply, (_, code) in zip(replies, requests, strict=True)]


def _read(replies: tuple[Response, ...] | str, code: str = "") -> tuple[str, str]:
    """A reply's text, and why it cannot be used; one of the two is empty."""
    if isinstance(replies, str):
        return "", replies
    text = replies[0].text.strip()
    if replies[0].finish_reason == "length":
        return "", "the reply was cut off"
    if not text:
        return "", "the reply is empty"
    if code and code in text:
        return "", "the reply repeats the quotation's marks"
    return text, ""
