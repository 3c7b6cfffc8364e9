"""Judged win rates: a policy's answers to held-out prompts against a reference's."""
