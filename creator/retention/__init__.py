"""Which prompts stay in the pool, and which of them rest."""
