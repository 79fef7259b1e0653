"""What a form of the page says in, the act it means out; or what is wrong with it. Pure.

A button names its press; a press is a kind of act with what is usual already filled in, so that one press is enough.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from parsers.people import CaseManager
from rules.deciding.clocks import is_business_day
from rules.following.acts import (
    Act,
    ActFault,
    ActKind,
    CloseReason,
    Fault,
    MayLeave,
    Mode,
    NumberUse,
    Outcome,
    ReferralStep,
    With,
)
from rules.policy.policy import Policy


def _attempt(outcome: Outcome, mode: Mode = Mode.PHONE, with_whom: With | None = None) -> Mapping[str, Any]:
    return {"kind": ActKind.ATTEMPT, "outcome": outcome, "mode": mode, "with_whom": with_whom}


PRESSES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "talked": _attempt(Outcome.REACHED, with_whom=With.PATIENT),
        "talked_helper": _attempt(Outcome.REACHED, with_whom=With.CAREGIVER),
        "left_message": _attempt(Outcome.LEFT_MESSAGE),
        "no_answer": _attempt(Outcome.NO_ANSWER),
        "wrong_number": _attempt(Outcome.WRONG_NUMBER),
        "out_of_service": _attempt(Outcome.OUT_OF_SERVICE),
        "declined": _attempt(Outcome.DECLINED, with_whom=With.PATIENT),
        "language_barrier": _attempt(Outcome.LANGUAGE_BARRIER),
        "in_facility": _attempt(Outcome.IN_FACILITY, with_whom=With.FACILITY),
        "letter_sent": _attempt(Outcome.SENT, Mode.LETTER),
        **{kind.value: {"kind": kind} for kind in ActKind if kind not in (ActKind.ATTEMPT, ActKind.UNDO)},
    }
)
LATE: Final = timedelta(hours=24)  # what was done longer ago is written down with a reason
NEXT_MORNING: Final = time(8)
LATER_TODAY: Final = timedelta(hours=3)
BEFORE_DUE: Final = timedelta(hours=2)  # a reminder never comes later than so long before a clock ends
TODAY_IF_EMPTY: Final = frozenset({ActKind.VISIT_KEPT, ActKind.VISIT_MISSED, ActKind.PAPERS_FILED})
_TEXTS: Final = (
    "number",
    "language",
    "who",
    "for_id",
    "referral_id",
    "referral_to",
    "answers_act",
    "supersedes",
    "text",
)
_LONGEST: Final = 2_000  # of any field; the rules say how long a text may be
_CHOICES: Final = {
    "mode": Mode,
    "with_whom": With,
    "outcome": Outcome,
    "message": MayLeave,
    "number_use": NumberUse,
    "close_reason": CloseReason,
    "referral_step": ReferralStep,
}


def act_of(
    form: Mapping[str, str],
    person: CaseManager,
    act_id: str,
    now: datetime,
    policy: Policy,
    due: datetime | None = None,
    began: datetime | None = None,
) -> Act | tuple[Fault, ...]:
    """The act a form means. `due`: when the next clock of the stay ends, which a reminder may not outlast; `began`:
    when the stay began, before which nothing was done."""
    press = PRESSES.get(form.get("press", ""))
    version = form.get("version", "")
    if press is None or not version.isdecimal() or len(version) > 6:
        return (Fault(ActFault.FIELD_MISSING, "press"),)
    said, faults = _read(form, now, policy, due)
    if form.get("interpreter"):
        said["interpreter"] = form["interpreter"] == "yes"
    if press["kind"] in TODAY_IF_EMPTY and not form.get("day"):
        said["day"] = now.astimezone(policy.tz).date()
    if answers := {name[2:]: value for name, value in form.items() if name.startswith("q-") and value}:
        said |= {"answers": answers, "guide": form.get("guide", "")}
    happened = said.get("happened_at", now)
    if now - happened > LATE and happened >= (began or happened) and not {"text", "supersedes"} & said.keys():
        faults.append(Fault(ActFault.WHY_SO_LATE, "text"))
    if "number" in said:
        said["number"] = "".join(character for character in said["number"] if character.isdigit())[-15:]
    if faults:
        return tuple(faults)
    try:
        return Act(
            **{
                "act_id": act_id,
                "by": person.case_manager_id,
                "role": person.role,
                "version": int(version),
                "happened_at": now,
                "recorded_at": now,
                **{name: value for name, value in press.items() if value is not None},
                **said,
            }
        )
    except ValidationError:
        return (Fault(ActFault.FIELD_MISSING, "press"),)


def _read(
    form: Mapping[str, str], now: datetime, policy: Policy, due: datetime | None
) -> tuple[dict[str, Any], list[Fault]]:
    """The fields of an act that a form fills in; and those whose text says nothing we know."""
    readers: tuple[tuple[str, str, Callable[[str], Any]], ...] = (  # of the form, of the act, how its text reads
        *((name, name, partial(_choice, choices)) for name, choices in _CHOICES.items()),
        ("minutes", "minutes", _minutes),
        ("day", "day", _day),
        ("until", "until", partial(until_of, now=now, policy=policy, due=due)),
        ("when", "happened_at", partial(_moment, policy=policy)),
    )
    said: dict[str, Any] = {name: form[name][:_LONGEST].strip() for name in _TEXTS if form.get(name, "").strip()}
    read = {field: reader(given) for name, field, reader in readers if (given := form.get(name, ""))}
    said |= {field: value for field, value in read.items() if value is not None}
    return said, [Fault(ActFault.FIELD_MISSING, field) for field, value in read.items() if value is None]


def until_of(given: str, now: datetime, policy: Policy, due: datetime | None) -> datetime | None:
    """When a reminder comes: "later_today", "tomorrow", "next_working_day" or a local time; else `None`."""
    today = now.astimezone(policy.tz).date()
    match given:
        case "later_today":
            at: datetime | None = now + LATER_TODAY
        case "tomorrow":
            at = _morning(today + timedelta(days=1), policy)
        case "next_working_day":
            day = today + timedelta(days=1)
            while not is_business_day(day, policy.business):
                day += timedelta(days=1)
            at = _morning(day, policy)
        case _:
            at = _moment(given, policy)
    if at is None or due is None or due - BEFORE_DUE <= now:
        return at
    return min(at, due - BEFORE_DUE)


def _choice(choices: Iterable[StrEnum], given: str) -> StrEnum | None:
    return next((choice for choice in choices if choice.value == given), None)


def _minutes(given: str) -> int | None:
    return int(given) if given.isdecimal() and len(given) < 4 else None


def _morning(day: date, policy: Policy) -> datetime:
    return datetime.combine(day, NEXT_MORNING, policy.tz).astimezone(UTC)


def _moment(text: str, policy: Policy) -> datetime | None:
    """A local time as a form gives it: "2026-11-25T15:30"."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=policy.tz)).astimezone(UTC)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
