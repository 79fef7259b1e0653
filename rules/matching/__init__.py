"""Whom a message is about: a patient and the panel in, an enrollee and a grade out."""
