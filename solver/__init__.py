"""The solver: respond, pair, optimise. Importing the package imports no torch."""
