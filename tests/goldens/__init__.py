"""What a redesign must not change, recorded before it; `python -m tests.goldens` records anew."""
