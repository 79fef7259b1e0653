"""The columns of a report, in words: how each is headed, and what counts."""

from collections.abc import Mapping
from typing import Final

from rules.following.counted import Counted

COLUMN_WORDS: Final[Mapping[Counted, str]] = {
    Counted.TOLD: "Told",
    Counted.TO_CALL: "To call",
    Counted.CALLED_IN_TIME: "Called in time",
    Counted.REACHED: "Reached",
    Counted.TO_VISIT: "To visit",
    Counted.VISITED_IN_TIME: "Visited in time",
    Counted.UNABLE: "Could not be reached",
    Counted.TAKEN_BACK: "Taken back",
}
assert COLUMN_WORDS.keys() == set(Counted)
HOW_COUNTED: Final[Mapping[Counted, str]] = {
    Counted.TOLD: "Stays that somebody was first told of in this week.",
    Counted.TO_CALL: "Of these, a call was asked for by a working day after they went home.",
    Counted.CALLED_IN_TIME: "By then somebody talked with the patient or a helper, or had tried twice.",
    Counted.REACHED: "Somebody talked with them at all after they went home, in time or later.",
    Counted.TO_VISIT: "One or more visits were asked for.",
    Counted.VISITED_IN_TIME: "Each of these visits took place in time.",
    Counted.UNABLE: "Somebody tried, and then wrote that the patient could not be reached.",
    Counted.TAKEN_BACK: "The hospital took the stay back. It counts as nothing else.",
}
assert HOW_COUNTED.keys() == set(Counted)
