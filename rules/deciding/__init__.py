"""One event and what is known in, what to tell whom and what to remember out."""
