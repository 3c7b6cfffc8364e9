"""How `selfplay reviews` lays out alarms, reviews and anchors."""

from __future__ import annotations

from selfplay.cli.layout import new_console, new_grid, new_table, number, plain, ranges
from selfplay.review.rubrics import ReviewHistory


def show_reviews(history: ReviewHistory) -> None:
    """Prints what the monitors saw, and what became of the rubric."""
    console = new_console()
    alarms = new_table("alarms", ["monitor", "asks for"], ["value", "reference", "rounds"])
    for (monitor, action), found in history.rounds_of().items():
        newest = found[-1]
        rounds = ranges([alarm.round for alarm in found])
        figures = [number(newest.value), number(newest.reference)]
        alarms.add_row(monitor, action, *figures, rounds)
    console.print(alarms if history.alarms else "\nno alarms")
    reviews = new_grid(2)
    for review in history.reviews:
        version = "" if review.version is None else f" version {review.version}"
        what = {"accepted": "adopted", "rejected": "rejected", "none": "nothing changed"}
        tokens = f" ({review.tokens:,} tokens)" if review.tokens else ""
        reviews.add_row(f"round {review.round}", f"{what[review.outcome]}{version}{tokens}")
        reviews.add_row("", plain(review.cause))
        reviews.add_row("", plain(review.reason))
    console.print()
    console.print(reviews if history.reviews else "no reviews")
    anchors = new_table("anchors", ["part", "origin"], ["responses"])
    for (part, origin), count in history.anchors.items():
        anchors.add_row(part, origin, f"{count:,}")
    if history.anchors:
        console.print(anchors)
    console.print(f"\nnext: selfplay rubric list {history.directory}")
