"""Whether a new rubric is adopted: trusted responses have to show that it is better."""
