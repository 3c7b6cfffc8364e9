"""Jobs without a game: learning from recorded data, evaluation, feedback from models."""
