"""Evolution operators: how a parent becomes a child."""
