"""A path in, whether a person opens it as a page of its own out: then it is where they may come back to."""

import re
from functools import cache


def is_opened(path: str) -> bool:
    return _opened().fullmatch(path) is not None


@cache
def _opened() -> re.Pattern[str]:
    from streams.inbox.page import Comes, Page
    from streams.inbox.table import PAGES  # whose pages ask this

    opened = [row.path for row in PAGES if isinstance(row, Page) and row.comes is Comes.OPENED]
    return re.compile("|".join(re.sub(r"\{\w+\}", r"[^/?#\\\\]+", path) for path in opened))
