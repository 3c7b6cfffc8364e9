"""The pretraining mix of InstructGPT's PPO-ptx: a likelihood loss on texts beside another loss.

The loss is γ · mean over tokens of -log π, on texts drawn anew for every optimiser step.

Source: Ouyang et al., 2022, arXiv 2203.02155, equation 2. There γ = 27.8 goes with PPO losses of
another size: on losses that are means over tokens, as here, 0.1 to 1 is the place to begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selfplay.core.errors import DataError
from selfplay.core.json_lines import Line, each_object
from selfplay.core.types import user
from solver.learning.batches import IGNORED, Row, micro_batches, padded_labels, padded_rows
from solver.learning.plan import Loss, Pass
from solver.learning.scoring import TokenScorer
from solver.learning.stage import Stage
from solver.policy import Policy


@dataclass(frozen=True)
class Text:
    """Something to keep likely: a text, or an answer to a prompt."""

    prompt: str | None
    completion: str


def read_texts(path: Path) -> list[Text]:
    """The texts of a JSON Lines file: rows with `text`, or with `prompt` and `completion`.

    Raises:
        DataError: no such file, no rows, or a row with neither; names file and line.
    """
    if not path.exists():
        raise DataError(f"{path}: expected a JSON Lines file of pretraining texts, found none")
    texts = [_text(line) for line in each_object(path)]
    if not texts:
        raise DataError(f"{path}: expected at least one pretraining text, found none")
    return texts


def _text(line: Line) -> Text:
    found = line.values
    prompt, completion = found.get("prompt"), found.get("completion", found.get("text"))
    if isinstance(completion, str) and completion and isinstance(prompt, str | None):
        return Text(prompt, completion)
    raise DataError(
        f"{line.place}: expected `text`, or `prompt` and `completion`, each a text; "
        f"found {', '.join(found) or 'an empty object'}"
    )


def text_row(policy: Policy, text: Text) -> Row:
    """A text's tokens up to the model's context.

    Behind an answer to a prompt comes the end of turn, behind a text alone the end of sequence.
    Without a prompt the first token is only read: the beginning-of-sequence token where the
    tokenizer has one, else the text's own.
    """
    tokenizer, context = policy.pretrained.tokenizer, policy.pretrained.context
    if text.prompt is not None:
        (prompt,) = policy.model.prompt_ids([user(text.prompt)])
        ids = policy.model.response_ids(text.completion)
    else:
        (ids,) = policy.model.encode([text.completion])
        begin = tokenizer.bos_token_id
        ids = [*([begin] if begin is not None else []), *ids, tokenizer.eos_token_id]
        prompt, ids = ids[:1], ids[1:]
    return Row(np.array(prompt), np.array(ids[: max(0, context - len(prompt))], dtype=np.int64))


def pretraining_passes(
    stage: Stage, texts: Sequence[Text], count: int, weight: float, step: int
) -> list[Pass]:
    """`weight` times the mean token loss on `count` of the texts, drawn for this step."""
    generator = stage.seed.at("pretraining", step).numpy()
    drawn = generator.choice(len(texts), size=min(count, len(texts)), replace=False)
    rows = [text_row(stage.policy, texts[i]) for i in drawn.tolist()]
    rows = [row for row in rows if len(row.response_ids)]
    total = sum(len(row.response_ids) for row in rows)
    lengths = [row.length for row in rows]
    chunks = micro_batches(
        range(len(rows)), lengths, stage.config.micro_batch_tokens, stage.policy.team.size
    )
    return [_passed(stage, [rows[i] for i in chunk], weight / total) for chunk in chunks]


def _passed(stage: Stage, rows: Sequence[Row], weight: float) -> Pass:
    """A pass whose share is the weight of a token times its tokens."""
    policy = stage.policy
    batch = {"ids": padded_rows(rows, policy.pad_id), "labels": padded_labels(rows)}
    count = int((batch["labels"] != IGNORED).sum())

    def loss() -> Loss:
        ids_BL, labels_BL = (batch[name].to(policy.device) for name in ("ids", "labels"))
        logps_BT = TokenScorer(policy.module)(ids_BL, labels_BL).log_probs
        assert logps_BT is not None
        mean = -logps_BT.sum() / count
        return mean, {"pretraining_loss": float(mean.detach())}

    return Pass(loss, weight * count, sum(row.length for row in rows), batch)
