"""A path in, whether a person opens it as a page of its own out: then it is where they may come back to."""

import re
from functools import cache
from typing import Final

WAYS: Final = "/sign-in/ways"  # how one signs in; open to a session of enrollment, too


def is_opened(path: str) -> bool:
    return _opened().fullmatch(path) is not None


def back_of(path: str) -> str:
    """Where to go on after signing in: a page that a person opens, else the first one."""
    return path if is_opened(path) else "/"


@cache
def _opened() -> re.Pattern[str]:
    from streams.inbox.page import Comes, Page
    from streams.inbox.table import PAGES  # whose pages ask this

    opened = [row.path for row in PAGES if isinstance(row, Page) and row.comes is Comes.OPENED]
    return re.compile("|".join(re.sub(r"\{\w+\}", r"[^/?#\\\\]+", path) for path in opened))
