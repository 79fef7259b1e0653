"""Seeing a patient one is nothing to, in an emergency: the reason and words given in, what is wrong with them out.

It opens reading alone, for an hour (`rules.following.roles`), and is looked at by a manager afterwards. What needs
consent stays closed, with one exception: to medical personnel in a medical emergency records of substance-use programs
may be disclosed without it (42 CFR 2.51(a)), with who, when and the nature of the emergency written down (2.51(c)).
"""

from enum import StrEnum
from typing import Final

from parsers.people import Role

SHORTEST: Final = 10  # characters that say what happened
LOOK_DAYS: Final = 3  # within which a manager looks at it
LONGEST: Final = 300
MEDICAL: Final = frozenset({Role.NURSE, Role.PHARMACIST, Role.MEDICAL_DIRECTOR})


class GlassReason(StrEnum):
    """Why somebody must see a patient who is not theirs."""

    MEDICAL_EMERGENCY = "medical_emergency"
    DANGER = "danger"  # to the patient or to others
    CALLED = "called"  # patient, family or hospital is on the line
    NOBODY_ELSE = "nobody_else"  # who answers for the patient is not to be had


class GlassFault(StrEnum):
    """Why the glass stays whole."""

    REASON = "reason"  # none of the reasons
    WORDS = "words"  # too few words, or too many


def fault_of(reason: str, words: str) -> GlassFault | None:
    """What is wrong with why somebody wants to see the patient."""
    if reason not in set(GlassReason):
        return GlassFault.REASON
    return None if SHORTEST <= len(words.strip()) <= LONGEST else GlassFault.WORDS


def is_part2_emergency(role: Role, reason: GlassReason) -> bool:
    """Whether records of substance-use programs are open too."""
    return reason is GlassReason.MEDICAL_EMERGENCY and role in MEDICAL
