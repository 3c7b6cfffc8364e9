"""Admission gates beyond `creator.gates`: one gate a file, the pure functions they share beside."""
