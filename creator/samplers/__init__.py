"""Which prompts to draw, from what is to be gained on each."""
