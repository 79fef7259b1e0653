"""How somebody wants to be reached, in words: wishes in, what stands beside the phone and what is asked out. Pure."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final

from rules.following.acts import MayLeave, NumberUse
from rules.following.wishes import Wishes
from streams.words.people import phone
from streams.words.times import ZONE, time_or_moment

MAY_LEAVE_WORDS: Final[Mapping[MayLeave, str]] = {
    MayLeave.UNKNOWN: "nobody has asked whether to leave a message",
    MayLeave.NO: "leave no message",
    MayLeave.UNNAMED: "a message is fine, without the name of the practice",
    MayLeave.YES: "a message is fine",
}
NUMBER_WORDS: Final[Mapping[NumberUse | None, str]] = {
    None: "number",
    NumberUse.FIRST: "call first",
    NumberUse.NEVER: "never call",
}
QUESTIONS: Final[Mapping[MayLeave, str]] = {
    MayLeave.UNKNOWN: "Nobody has asked this person whether a message may be left. Was one left?",
    MayLeave.NO: "This person wants no message left. Was one left all the same?",
}  # the others are not asked about
assert MAY_LEAVE_WORDS.keys() == set(MayLeave)
assert NUMBER_WORDS.keys() == {None, *NumberUse}


def message(known: Wishes, by: str, now: datetime, zone: tzinfo = ZONE) -> str:
    """Whether a message may be left, who wrote that (`by`) and when: "Leave no message (J. Lee, RN, 3:10 PM)"."""
    words = MAY_LEAVE_WORDS[known.message].capitalize()
    said = known.last
    return f"{words} ({by}, {time_or_moment(said.happened_at, now, zone)})" if said else words


def others(known: Wishes) -> tuple[str, ...]:
    """What else they wish: numbers, language, interpreter."""
    lines = (
        *(f"Never call {phone(number)}" for number in sorted(known.never)),
        f"Wants to speak {known.language}" if known.language else "",
        {True: "Wants an interpreter", False: "Needs no interpreter", None: ""}[known.interpreter],
    )
    return tuple(line for line in lines if line)
