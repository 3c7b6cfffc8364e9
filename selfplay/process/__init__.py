"""The process that plays: its heartbeat, signals, environment, notes and trackers."""
