"""How much is to be gained on a prompt, from what its responses scored."""
