"""Rubrics as data: text, differences, one for each cluster of prompts; and those that ship."""
