"""How somebody wants to be reached: what people wrote of it on any stay in, the last word on each thing out.

A wish is the person's and outlives the stay it was written on. It is said before the call, beside the number, and asked
about when somebody says that a message was left.
"""

from collections.abc import Iterable
from typing import NamedTuple

from rules.following.acts import Act, ActKind, MayLeave, NumberUse, Outcome, effective


class Wishes(NamedTuple):
    """What is known of how a person wants to be reached."""

    message: MayLeave = MayLeave.UNKNOWN
    first: str = ""  # the number to call first
    never: frozenset[str] = frozenset()  # numbers not to call
    language: str = ""
    interpreter: bool | None = None
    last: Act | None = None  # the act that said so last


def wishes(acts: Iterable[Act]) -> Wishes:
    """The wishes of one person. `acts`: about any stay of theirs; what was taken back or corrected does not count.

    An act says anew whether a message may be left; a number, language or interpreter it leaves out stays as it was.
    """
    known = Wishes()
    uses: dict[str, NumberUse] = {}
    for act in effective(acts):
        if act.kind is not ActKind.CONTACT_WISHES:
            continue
        if act.number and act.number_use is not None:
            uses.pop(act.number, None)
            uses[act.number] = act.number_use
        known = Wishes(
            message=act.message or known.message,
            language=act.language or known.language,
            interpreter=known.interpreter if act.interpreter is None else act.interpreter,
            last=act,
        )
    return known._replace(
        first=next((number for number, use in reversed(uses.items()) if use is NumberUse.FIRST), ""),
        never=frozenset(number for number, use in uses.items() if use is NumberUse.NEVER),
    )


def is_never(known: Wishes, number: str) -> bool:
    """Whether this number is one not to call."""
    return dialed(number) in {dialed(other) for other in known.never}


def dialed(number: str) -> str:
    """The digits by which numbers are compared, the last ten."""
    return "".join(character for character in number if character.isdigit())[-10:]


def is_to_be_asked(act: Act, known: Wishes) -> bool:
    """Whether who says that a message was left is asked about it: nobody knows that one may be, or none may."""
    left = act.kind is ActKind.ATTEMPT and act.outcome is Outcome.LEFT_MESSAGE
    return left and known.message in (MayLeave.UNKNOWN, MayLeave.NO)
