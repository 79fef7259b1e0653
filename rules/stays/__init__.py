"""One hospital visit through its messages: which stay an event is about, and what the event does to it."""
