"""One learning stage: what an objective is handed, how tokens are scored, and the loop."""
