"""The process `handoff work`: raw messages to events to decisions."""
