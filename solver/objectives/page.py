"""docs/objectives.md, written from the tables: `python -m solver.objectives.page`. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from selfplay.core.components import Row
from selfplay.core.documented import field_texts, options_table
from solver.examples.table import PAIRINGS, SELECTIONS, UNPAIRED
from solver.learning.trl_options import TOLD, Told
from solver.objectives.table import OBJECTIVES

PAGE = Path(__file__).parents[2] / "docs" / "objectives.md"

INTRODUCTION = """\
# Objectives

Written from the code's own tables by `python -m solver.objectives.page`; a test keeps it current.

Choose one with `solver.objective=NAME`, set its options with `solver.objective.OPTION=VALUE`, and
the policy that it keeps to with `solver.reference` (`round_start`, `initial`, `moving_average`,
`precomputed` or a model directory). A reference that nothing would read is refused: that of an
objective without one, or of a policy gradient with `beta` at 0.

Notation: x prompt, y response, r reward, R shaped reward, n responses per prompt; ℓ_w, ℓ_l summed
log π(y|x) of the chosen and the rejected response; r_w, r_l their log-ratios to the reference,
log π − log π_ref; Δ = r_w − r_l; |y| tokens of the response; σ the logistic function; sg(·) no
gradient; A advantage; X⁺, X⁻ the responses that satisfy all constraints and those that break one; ȳ
the baseline response, KL_max the bound on the KL, ρ_l the weight of task l. Losses are minimised.

Needs: *groups*, two or more scored responses of a prompt; *pairs*, a better and a worse one;
*responses*, scored ones, one of a prompt is enough; *unpaired*, responses told good or bad;
*reference*, a policy to keep to; *sampling*, log-probabilities under π_old, in policy gradients;
*constraints*, verdicts that name broken constraints (`meta.constraints`; without any, a note at the
start says so, and the reward alone decides).

π_old is the policy as the round begins, over its whole vocabulary, at
`solver.sampling.temperature`. The responses were drawn from it if nothing is cut off: under
`top_p`, `top_k` or temperature 0 they come from another distribution, likelier by the metric
`generation_truncation` (nats a response), and no objective corrects its gradient for that; a note
at the start says so. Where generation and learning find different log-probabilities for the same
policy (`generation_mismatch`; other kernels, fewer bits), every policy gradient multiplies a
response's advantage by π_old/π_gen, at most 2; what imitates responses (`crraft`, `sft`) does not.

With `solver.reference` at `round_start` and a single optimiser step a round (`solver.epochs` and
`solver.minibatches` 1), every loss of pairs with a reference is taken at Δ = 0 alone, where they
differ by a factor that AdamW takes away: give it more steps, or `solver.reference=initial`.

Temperature: an objective takes all of its log-probabilities at one. Those that need *sampling*
take π, π_old and π_ref at `solver.sampling.temperature` (at 1 where that is 0), since it is the
policy at that temperature that sampled and that is made better. A ratio, a KL or a gradient at
another one would be that of another policy; a mean over samples is then no KL and can be negative,
so that drifting pays. All others learn from given responses, whoever sampled them, and take
likelihoods at temperature 1. `precomputed` figures are at the temperature that they were recorded
at.

Equal policies: in a learning stage's first optimiser step, what the step itself scores is
log π_old, and log π_ref where the reference is the same policy. So the first step is on-policy in
any dtype, and no clip, hinge or penalty is decided by how recorded and recomputed figures round. A
step without any gradient is not taken.

A mixture of experts: the load-balancing loss of its router is added once to each optimiser step of
any objective, with the model's own weight or `solver.router_loss`; `rm` and the warm-up of `ppo`'s
value leave it out.

Where TRL's forms are not the papers' or this project's: `ipo` is TRL's, with log-ratios divided by
the response's length, which the paper sums. TRL's ORPO, which is not used here, imitates the prompt
too and takes that mean over all tokens of a batch; `orpo` takes it over each response. `sppo_hard`,
a `loss_type` of `dpo`, takes the win rates of a pair for 1 and 0, and no half of the square: on
groups of two it is four times `sppo` at half its β.
"""


def render() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_overview(), *_details(), *_trl(), *_examples()])


def _overview() -> Iterator[str]:
    yield "| objective | minimised loss | needs | reference | when |"
    yield "|---|---|---|---|---|"
    for name, row in OBJECTIVES.items():
        needs = ", ".join(row.needs) or "–"
        formula = row.formula.replace("|", "\\|")
        cells = (f"[`{name}`](#{name})", formula, needs, row.reference or "–", row.when)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _details() -> Iterator[str]:
    yield "## Options\n"
    for name, row in OBJECTIVES.items():
        yield f"### {name}\n"
        computed = f" Computed by TRL's `{row.trainer}`." if row.trainer else ""
        yield f"{_sentence(row)} Source: {row.source}.{computed}\n"
        yield from options_table(row.options)


TRL = """\
## What TRL is told

Every option of TRL's that can change a loss is told to it, also where its own default is the same,
so that another version of TRL changes no loss without a word. Objectives' options come on top.
`solver.trl` may set those marked so, in a loss that reads them; anything else is refused with the
reason.
"""


def _trl() -> Iterator[str]:
    yield TRL
    for trainer, options in TOLD.items():
        names = ", ".join(f"`{name}`" for name, row in OBJECTIVES.items() if row.trainer == trainer)
        yield f"**{trainer}** ({names}):\n"
        yield "| option | told | TRL's default | `solver.trl` may change it |"
        yield "|---|---|---|---|"
        for name, told in options.items():
            yield f"| `{name}` | `{_yaml(told.value)}` | `{_yaml(told.trl)}` | {_free(told)} |"
        yield ""


def _free(told: Told) -> str:
    if not told.free:
        return "no"
    return f"yes: it acts {told.when}" if told.when else "yes"


def _yaml(value: Any) -> str:
    return json.dumps(value).strip('"')


def _sentence(row: Row) -> str:
    return f"{row.summary[0].upper()}{row.summary[1:]}."


def _examples() -> Iterator[str]:
    yield "## Training data from groups\n"
    tables: tuple[tuple[str, Mapping[str, Row]], ...] = (
        ("Pairs (`solver.objective.pairs`)", PAIRINGS),
        ("Single responses (`solver.objective.examples`)", SELECTIONS),
        ("Good and bad responses (`solver.objective.examples`)", UNPAIRED),
    )
    for title, table in tables:
        yield f"### {title}\n"
        for name, row in table.items():
            yield f"**{name}**: {row.summary}.\n"
            yield from options_table(row.options)


def undocumented() -> list[str]:
    """Rows that lack a formula, advice or a source, and options without a text."""
    lacking = []
    for name, row in OBJECTIVES.items():
        texts = field_texts(row.options)
        said = {part: getattr(row, part) for part in ("formula", "when", "source")}
        said |= {option.name: option.name in texts for option in fields(row.options) if option.init}
        lacking += [f"{name}.{part}" for part, text in said.items() if not text]
    return lacking


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
