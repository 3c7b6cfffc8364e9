"""`python -m selfplay` is the `selfplay` command."""

from selfplay.cli.main import main

main()
