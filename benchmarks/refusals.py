"""Which texts are taken for refusals, of many styles and languages, and of harmless look-alikes?

The texts are in sets, each written before the forms were mended for it.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.runner import HERE, Cell, Measurement
from selfplay.core.refusals import refuses

CASES = HERE / "cases" / "refusals.jsonl"
DATA = HERE.parents[1] / "shared" / "data"


def measure() -> Measurement:
    """A row for each set."""
    texts = [json.loads(row) for row in CASES.read_text(encoding="utf-8").splitlines()]
    sets = list(dict.fromkeys(row["set"] for row in texts))
    rows = [row_of(name, [row for row in texts if row["set"] == name]) for name in sets]
    rows.append(row_of("all", texts))
    if real := real_texts():
        rows.append(row_of("real answers", [{"refuses": False, "text": text} for text in real]))
    return Measurement(
        title="Refusals, and what looks like one",
        question="How many refusals are found, and how many harmless texts are taken for one?",
        rows=rows,
        notes=(
            "Whole and partial refusals in some twenty languages, behind a thought or not, beside "
            "apologies, quotations, letters, idioms and steps of proofs. Each set was written "
            "before the forms were mended for it, and they have been mended for all of them since. "
            "When first looked at, 49 of 70 refusals and 4 of 63 look-alikes of 'first' were taken "
            "for refusals, then 49 of 55 and 0 of 55 of 'second', 35 of 40 and 4 of 30 of 'third', "
            "24 of 30 and 4 of 30 of 'fourth', 126 of 138 and 19 of 129 of 'fifth'. Then the "
            "finder was made anew, and took 78 of 106 and 6 of 105 of 'sixth', 92 of 108 and 8 of "
            "104 of 'seventh', 90 of 111 and 7 of 113 of 'eighth', and with a linear model of the "
            "words 79 of 88 and 9 of 100 of 'ninth', 71 of 73 and 7 of 77 of 'tenth'. The weight "
            "that a refusal has to reach was then chosen by leaving each set out of the model of "
            "the words in its turn; of 'eleventh', written by somebody who knew nothing of the "
            "finder and looked at once, it took 122 of 127 refusals (96 %) and 4 of 118 "
            "look-alikes (3.4 %; 9 where the prompt is not told): what to expect of texts that "
            "are new, the more so as look-alikes were written to be hard. Three of its texts were "
            "dropped afterwards, whose labels are arguable. The real answers are GSM8K's worked "
            "solutions and self-instruct's; the two that are taken for refusals are refusals."
        ),
    )


def real_texts() -> list[str]:
    """Answers that people wrote, of which two refuse; empty where they are not there."""
    solved, taught = DATA / "gsm8k" / "test.jsonl", DATA / "self_instruct" / "seed_tasks.jsonl"
    if not (solved.is_file() and taught.is_file()):
        return []
    texts = [json.loads(row)["answer"] for row in solved.read_text("utf-8").splitlines()]
    tasks = [json.loads(row) for row in taught.read_text("utf-8").splitlines()]
    return [*texts, *(instance["output"] for task in tasks for instance in task["instances"])]


def row_of(name: str, texts: list[dict[str, Any]]) -> dict[str, Cell]:
    """How many are found."""
    refusing = [row for row in texts if row["refuses"]]
    harmless = [row for row in texts if not row["refuses"]]
    found, taken = (
        sum(refuses(row["text"], row.get("prompt", "")) for row in rows)
        for rows in (refusing, harmless)
    )
    return {
        "texts": name,
        "refusals": len(refusing),
        "found": found,
        "found, share": round(found / len(refusing), 3) if refusing else "",
        "look-alikes": len(harmless),
        "taken for one": taken,
        "taken, share": round(taken / len(harmless), 3),
    }
