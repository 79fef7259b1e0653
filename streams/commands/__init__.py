"""A file for each `handoff WORD`."""
