"""The pool: the prompts that a run knows, as columns; who stays in it, and who rests."""
