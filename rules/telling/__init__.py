"""Whom an alert is for and how much of it each may read."""
