"""Constitutions, and answers that a model mends by them."""
