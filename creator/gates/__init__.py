"""Admission gates: what a child must pass to be asked."""
