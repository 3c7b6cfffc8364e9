"""Measurements against peers and baselines; each module here but the runner's has one `measure`."""
