"""Invented people, hospitals and lives, for the demo, the benches and the tests."""
