"""Options and rows of the creator's parts: what there is to choose from. No NumPy, no torch."""
