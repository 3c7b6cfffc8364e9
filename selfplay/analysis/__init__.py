"""What can be said of a run afterwards, or while it is played; nothing is written to it."""
