"""Answers: found in responses, spelled alike, read as what they are, and compared."""
