"""Values and `now` in, decisions with reasons out. Knows events, not HL7; does no I/O."""
