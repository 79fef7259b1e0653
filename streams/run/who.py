"""Who runs a command, as the audit names them: the machine's user in, `os:NAME` out."""

import getpass
import os


def who_commands() -> str:
    """A container may run us under a number that has no name: then `os:NUMBER`."""
    try:
        return f"os:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"os:{os.getuid()}"
