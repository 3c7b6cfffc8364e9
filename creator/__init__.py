"""The creator: estimate → sample → evolve → admit (eva, arXiv 2411.00062)."""
