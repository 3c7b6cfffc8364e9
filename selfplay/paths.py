"""Where things lie in a run directory and in the package."""

from __future__ import annotations

from pathlib import Path

LEDGER = "ledger.db"
POLICY = "policy"
HEARTBEAT = "heartbeat.json"
"""What the process that plays the run says of itself."""
TRACKING = "tracking"
"""Where trackers of metrics keep what they write here, and what they have got."""
CREATOR = "creator"
"""What the creator keeps of every prompt, to compare others with; made anew when it is lost."""
TINY = Path(__file__).parent / "tiny" / "policy"
"""The policy that ships with the project."""


def model_directory(name: str) -> Path:
    """The model directory that a configuration names; `tiny` is the one that ships."""
    return TINY if name == "tiny" else Path(name)
