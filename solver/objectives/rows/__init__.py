"""The table of objectives in parts, one a family: options and rows. Torch-free."""
