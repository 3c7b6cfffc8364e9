"""Where a run's prompts come from and what became of them, read from its ledger alone.

Works on live, crashed and finished runs, as `selfplay prompts` does, whose calls these are.
"""

from selfplay.analysis.lineage.family import Family, Member, ancestors, descendants
from selfplay.analysis.lineage.finding import Found, find
from selfplay.analysis.lineage.stats import Statistics, statistics
from selfplay.analysis.lineage.story import Story, story

__all__ = [
    "Family",
    "Found",
    "Member",
    "Statistics",
    "Story",
    "ancestors",
    "descendants",
    "find",
    "statistics",
    "story",
]
