"""Values to plain American English, for people. Pure."""
