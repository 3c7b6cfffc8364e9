"""Monitors: statistics of each round, and alarms when one drifts away from a frozen reference."""
