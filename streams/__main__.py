"""`python -m streams` is `handoff`."""

from streams.cli import main

main()
