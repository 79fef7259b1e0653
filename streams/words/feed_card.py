"""A line of a feed's report card in; the sentence that asks the hospital to mend it out."""

from collections.abc import Mapping
from typing import Final

from rules.feeds.card import IN_TIME, Card, Delay, Fact, Line, Of, Verdict
from streams.words.times import span

MOST_PLACES: Final = 6
_OF: Final = {
    Of.MESSAGES: "messages",
    Of.EVENTS: "messages",
    Of.VISITS: "messages about a visit",
    Of.ARRIVALS: "admissions and registrations (A01, A04)",
    Of.DISCHARGES: "discharges (A03)",
    Of.DECIDED: "messages about people we follow",
    Of.DAY_AFTER: "discharges of people we follow, a day later",
    Of.WEEK_AFTER: "discharges of people we follow, a week later",
    Of.SAMPLED: "messages sampled",
}
_WRONG: Final[Mapping[Fact, tuple[str, str]]] = {
    Fact.VISIT_NUMBER_MISSING: ("PV1-19, the visit number, is missing", "Please send it in every message of a visit."),
    Fact.ADMIT_TIME_MISSING: ("PV1-44, the admit time, is missing", "Please send it from the first message on."),
    Fact.DISCHARGE_TIME_MISSING: ("PV1-45, the discharge time, is missing", "Please send it with each A03."),
    Fact.DISPOSITION_MISSING: (
        "PV1-36, where the patient went, is missing",
        "Please send it with the A03, or in an A08 soon after.",
    ),
    Fact.DIAGNOSIS_MISSING: ("DG1, the diagnosis, is missing", "Please send what is known by then."),
    Fact.DIAGNOSIS_MISSING_DAY: (
        "DG1, the diagnosis, is still missing",
        "Please send an A08 with it as soon as it is known.",
    ),
    Fact.DIAGNOSIS_MISSING_WEEK: (
        "DG1, the diagnosis, is still missing",
        "Please send an A08 once the visit is coded; the follow-up measures depend on it.",
    ),
    Fact.AUTHORITY_MISSING: (
        "PID-3.4, who issued the record number, is missing",
        "Please name the assigning authority of every number.",
    ),
    Fact.BIRTH_DATE_MISSING: ("PID-7, the birth date, is missing", "Please send it; nobody is matched by name alone."),
    Fact.ADDRESS_MISSING: ("PID-11, the address, is missing", "Please send it; it tells people of one name apart."),
    Fact.PHONE_MISSING: ("PID-13, the phone number, is missing", "Please send it; the follow-up call needs it."),
    Fact.PRIMARY_CARE_MISSING: (
        "PD1-4 (or ROL with PP), the primary care provider, is missing",
        "Please send whom the patient names.",
    ),
    Fact.OFFSET_MISSING: ("times have no offset from UTC", "Please send -0500 or the like with each time."),
    Fact.CLASS_UNKNOWN: ("PV1-2, the patient class, is no known code", "Please tell us what your local codes mean."),
    Fact.DISPOSITION_UNKNOWN: ("PV1-36 is no known code", "Please use HL7 table 0112, or tell us your local words."),
    Fact.ARRIVAL_LATE: (
        f"the message came more than {IN_TIME.seconds // 60} minutes after the event was recorded (EVN-2)",
        "Please send each event as it is recorded, not in batches.",
    ),
    Fact.DISCHARGE_LATE: (
        f"the message came more than {IN_TIME.seconds // 60} minutes after the event was recorded (EVN-2)",
        "Please send each event as it is recorded, not in batches.",
    ),
    Fact.REPEATED: ("the same message was sent before", "Please look why your engine sends again what we answered."),
    Fact.RESENT: (
        "the same content was sent before under another MSH-10",
        "Please send again under the control id it had, and only what was not answered.",
    ),
    Fact.OUT_OF_ORDER: ("a newer message came before", "Please send the messages of one visit in their order."),
    Fact.REJECTED: ("the message could not be used", "`handoff explain` of one of them says why."),
    Fact.TRIGGER_DISAGREES: ("MSH-9.2 and EVN-1 disagree", "Please send the same trigger event in both."),
    Fact.STRUCTURE_WRONG: ("MSH-9.3 is not the trigger's structure", "Please correct the message structure."),
    Fact.GRAMMAR_BROKEN: (
        "segments or fields do not follow the grammar of the version that MSH-12 names",
        "Please correct them, or name the version that you send.",
    ),
    Fact.CONTROL_ID_MISSING: ("MSH-10, the control id, is missing", "Please number every message."),
    Fact.LINE_END_WRONG: ("segments end in something else than CR", "Please end each segment with CR (0x0D)."),
    Fact.CHARSET_WRONG: ("MSH-18 does not say how the text is encoded", "Please name the character set that is sent."),
}


def share(line: Line) -> str:
    """ "38%", "0.4%"."""
    percent = 100 * line.share
    return f"{percent:.1f}%" if 0 < percent < 10 else f"{percent:.0f}%"


def said(line: Line) -> str:
    """ "PV1-36, where the patient went, is missing on 38% of 210 discharges (A03)"."""
    return f"{_WRONG[line.fact][0]} on {share(line)} of {line.total:,} {_OF[line.of]}"


def ask(line: Line) -> str:
    """The sentence to send; "" where there is nothing to mend."""
    if line.verdict in (Verdict.MEETS, Verdict.TOO_FEW):
        return ""
    text = said(line)
    return f"{text[0].upper()}{text[1:]}. {_WRONG[line.fact][1]}"


def delay(delays: Delay) -> str:
    """ "discharges (A03): half within 5 min, nine in ten within 1 h"."""
    median, ninetieth = (f"within {span(most)}" if most else "after more than a day" for most in delays[1:])
    return f"{_OF[delays.of]}: half {median}, nine in ten {ninetieth}"


def grammar(card: Card) -> str:
    """ "The grammar is broken at PV1 (12), EVN (3)."; "" where it is not, or hardly was looked at."""
    broken = next((line for line in card.lines if line.fact is Fact.GRAMMAR_BROKEN), None)
    if broken is None or broken.verdict is Verdict.TOO_FEW or not card.grammar:
        return ""
    places = ", ".join(f"{place} ({count:,})" for place, count in [*card.grammar.items()][:MOST_PLACES])
    return f"The grammar is broken at {places}."


def first(card: Card) -> str:
    """The one repair that gains most."""
    if card.first is not None:
        return ask(card.first)
    enough = any(line.verdict is not Verdict.TOO_FEW for line in card.lines)
    return "Nothing to mend: every line meets its target." if enough else "Too few messages to say anything."
