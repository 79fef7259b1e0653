"""What is told, how loudly and by which clocks, as data: `policy.toml` in, a checked `Policy` out."""
