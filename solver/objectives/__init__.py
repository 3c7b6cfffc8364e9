"""Objectives: pure loss functions by family, and the shapes that feed them a round's groups."""
