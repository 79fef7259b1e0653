"""An exception that is a fault of ours in, what may be logged of it out: its type and its place in our code.

Its text never: it may be about a message or a person.
"""

import traceback
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_OURS: Final = tuple(f"{_ROOT / part}/" for part in ("parsers", "rules", "streams"))


def place_of(error: BaseException) -> str:
    """File and line of the innermost frame of ours, "" for none; nothing else of an exception may be kept."""
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if (file := frame.f_code.co_filename).startswith(_OURS):
            place = f"{Path(file).relative_to(_ROOT).as_posix()}:{line}"
    return place


def traced(error: BaseException) -> dict[str, str]:
    """As fields of a log line."""
    return {"error": type(error).__name__, "place": place_of(error)}
