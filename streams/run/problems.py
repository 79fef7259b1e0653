"""The one kind of exception that a command turns into a sentence and a status instead of a traceback."""


class Problem(Exception):
    """Something its user can mend. The text says what is wrong and what to do, and holds no PHI."""


class SettingsError(Problem):
    """A setting cannot be used; the text says which and what is expected."""
