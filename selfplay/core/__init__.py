"""The ground that the three roles stand on. Imports no role."""
