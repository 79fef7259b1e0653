"""What the routing said of an alert in, the same said to one of those it is about out: "You carry Blue Ridge."."""

import re
from typing import Final

# What `rules.telling.directory` and `rules.telling.routes` say of a person, and what one says to them.
_TO_THEM: Final = {
    "carries the panel of": "carry",
    "answers for": "answer for",
    "coordinates care at": "coordinate care at",
    "is named by": "are named by",
    "stands in": "stand in",
}
_BEFORE: Final = r"(^|(?<![A-Z])\. |; |: |, is away and )"  # where a name begins: after a sentence, not after "M."


def said_to(route: str, name: str) -> str:
    """The words of a route as the person of that name reads them."""
    verbs = "|".join(_TO_THEM)
    said = re.sub(f"{_BEFORE}{re.escape(name)} ({verbs})(?!\\w)", _you, route) if name else route
    return said.replace(" carries the panel of ", " carries ")


def _you(named: re.Match[str]) -> str:
    before, verb = named.groups()
    return f"{before}{'You' if before in ('', '. ') else 'you'} {_TO_THEM[verb]}"
