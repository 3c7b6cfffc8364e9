"""Configurations: read, checked as a whole, and shown with where each value comes from."""

from selfplay.config.loader import Loaded, differences, load_config, load_values, shipped_configs

__all__ = ["Loaded", "differences", "load_config", "load_values", "shipped_configs"]
