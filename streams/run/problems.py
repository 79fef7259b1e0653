"""The one kind of exception that a command turns into a sentence and a status instead of a traceback."""


class Problem(Exception):
    """Something its user can mend. The text says what is wrong and what to do, and holds no PHI."""
