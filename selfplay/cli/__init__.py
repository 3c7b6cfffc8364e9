"""The commands. Each module holds one and imports what is heavy inside its function."""
