"""Bytes in, values out: HL7 v2 messages, MLLP frames, batch files, panel rows. No I/O, no clock."""
