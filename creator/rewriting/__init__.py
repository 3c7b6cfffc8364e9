"""Operators in which a language model rewrites prompts: one family a file."""
