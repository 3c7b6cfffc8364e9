"""Feedback from models before a run: revised answers, labelled comparisons, judged judgements."""
