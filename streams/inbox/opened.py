"""A path in, whether a person opens it as a page of its own out.

Whoever opens one without a session is asked to sign in, and a locked one comes back after unlocking; everything else
that a page fetches is refused in two words.
"""

import re
from typing import Final

OPENED: Final = (
    "/",
    "/become",
    "/board",
    "/cover",
    "/due",
    "/people",
    "/person/{ref}",
    "/review",
    "/sheet",
    "/stay/{alert_id}",
    "/stay/{alert_id}/letter",
)
_OPENED: Final = re.compile("|".join(re.sub(r"\{\w+\}", r"[^/?#\\\\]+", path) for path in OPENED))


def is_opened(path: str) -> bool:
    return _OPENED.fullmatch(path) is not None
