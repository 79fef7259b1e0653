"""HL7 v2: frames, characters, fields, times and triggers of ADT messages in, events and acknowledgments out."""
