"""What people say of a run's responses, brought into the run while it is played.

The process that plays a run is the only writer of its ledger. So feedback is put into an inbox, the
directory `feedback` of the run, by anybody and at any time, and the game takes it in at its next
review: it asks what all feedback so far amounts to as anchors (`take_in`), appends what is new to
the anchors in the ledger, and, once that is committed, moves the files (`settle`). Taking the same
feedback in again appends nothing, so a crash between any two of these steps loses and repeats
nothing. A file that cannot be used is set aside with the reason and never stops the run.
"""

from selfplay.review.feedback.inbox import (
    Delivery,
    Entry,
    Intake,
    deliver,
    listing,
    settle,
    take_in,
)
from selfplay.review.feedback.sampling import sample, write_sample

__all__ = [
    "Delivery",
    "Entry",
    "Intake",
    "deliver",
    "listing",
    "sample",
    "settle",
    "take_in",
    "write_sample",
]
