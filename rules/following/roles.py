"""Who may see and do what: a role, an action and what the person is to the patient in, yes or no with the reason out.

One table, asked by every page, event stream, API call, search, count and export; how much of an alert is then read is
`rules.telling.confidentiality`'s to say. Absent and forbidden look the same to whoever asks, so the reason is for the
audit. Sources: 45 CFR 164.308(a)(4) and 164.312(a) (access by role), 164.502(b) (minimum necessary).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from parsers.people import NO_PATIENTS, CaseManager, Enrollee, Role
from rules.decisions import Alert


class Relation(StrEnum):
    """What somebody is to the patient of a stay, nearest first."""

    OWN = "own"  # the newest version is for them, or they hold the stay
    COVER = "cover"  # they stand in for one who owns it
    ASKED = "asked"  # somebody asked them, or escalation did
    PRACTICE = "practice"  # they carry the practice
    NETWORK = "network"  # of the practice's network
    PLAN = "plan"  # of the county's LME/MCO, and told
    CENTRAL = "central"  # nobody nearer answers, or the whole state is theirs
    FORMER = "former"  # was told; is nothing to the patient now
    NONE = "none"


class Doing(StrEnum):
    """What somebody may want to do."""

    SEE_ROW = "see_row"  # that the stay is there, on a list, in a count, in a search
    SEE_STAY = "see_stay"  # open it
    SEE_PERSON = "see_person"  # the person's page: all stays, acts, referrals
    ACT = "act"  # log calls, visits, referrals, close
    NOTE = "note"
    ANSWER = "answer"  # a question put to them
    RECONCILE = "reconcile"  # medicines
    TAKE = "take"
    ASSIGN = "assign"  # give to somebody, cover for somebody
    SEE_BOARD = "see_board"
    REVIEW = "review"  # decide a possible match
    EXPORT = "export"
    BREAK_GLASS = "break_glass"
    SEE_DIRECTORY = "see_directory"
    CHANGE_DIRECTORY = "change_directory"
    CHANGE_DESTINATIONS = "change_destinations"
    SEE_AUDIT = "see_audit"
    SEE_FEEDS = "see_feeds"
    END_SESSIONS = "end_sessions"


class Why(StrEnum):
    """The reason of an answer: closed, in the audit."""

    RELATION = "relation"  # what they are to the patient allows it
    ROLE = "role"  # what they are allows it
    BREAK_GLASS = "break_glass"
    ROLE_MAY_NOT = "role_may_not"
    NO_RELATION = "no_relation"
    TOLD_ONLY = "told_only"  # a former owner sees what she was told, and does nothing more


class Answer(NamedTuple):
    allowed: bool
    why: Why

    def __bool__(self) -> bool:
        return self.allowed


_R: Final = Relation
_NEAR: Final = frozenset({_R.OWN, _R.COVER, _R.PRACTICE, _R.NETWORK})
_ALL_BUT_NONE: Final = frozenset(Relation) - {_R.NONE}
_HOLDS: Final = frozenset({_R.OWN, _R.COVER})
_NOBODY: Final[frozenset[Relation]] = frozenset()

# What each role may do with a patient's stay, by what it is to the patient. What is not in a row, it may not.
_CARE: Final[Mapping[Doing, frozenset[Relation]]] = {
    Doing.SEE_ROW: _NEAR | {_R.ASKED, _R.FORMER},
    Doing.SEE_STAY: _NEAR | {_R.ASKED, _R.FORMER},
    Doing.SEE_PERSON: _NEAR | {_R.ASKED},
    Doing.ACT: _NEAR,
    Doing.NOTE: _NEAR | {_R.ASKED},
    Doing.ANSWER: _NEAR | {_R.ASKED},
    Doing.TAKE: _NEAR | {_R.ASKED},
    Doing.REVIEW: frozenset({_R.PRACTICE, _R.NETWORK}),
    Doing.EXPORT: _NEAR,
    Doing.BREAK_GLASS: frozenset(Relation),
}
_PATIENT: Final[Mapping[Role, Mapping[Doing, frozenset[Relation]]]] = {
    Role.NURSE: {**_CARE, Doing.RECONCILE: _NEAR | {_R.ASKED}},
    Role.SOCIAL_WORKER: _CARE,
    Role.PHARMACIST: {**_CARE, Doing.RECONCILE: _NEAR | {_R.ASKED}},
    Role.MEDICAL_DIRECTOR: {
        **_CARE,
        Doing.ACT: _HOLDS,
        Doing.RECONCILE: _NEAR | {_R.ASKED},
        Doing.SEE_BOARD: _NEAR,
    },
    Role.MANAGER: {**_CARE, Doing.ASSIGN: _NEAR, Doing.SEE_BOARD: _NEAR},
    Role.CARE_COORDINATOR: {
        Doing.SEE_ROW: frozenset({_R.PLAN, _R.ASKED, _R.FORMER, _R.OWN, _R.COVER}),
        Doing.SEE_STAY: frozenset({_R.PLAN, _R.ASKED, _R.FORMER, _R.OWN, _R.COVER}),
        Doing.SEE_PERSON: frozenset({_R.PLAN, _R.OWN, _R.COVER}),
        Doing.ACT: frozenset({_R.PLAN, _R.OWN, _R.COVER}),
        Doing.NOTE: frozenset({_R.PLAN, _R.OWN, _R.COVER, _R.ASKED}),
        Doing.ANSWER: frozenset({_R.PLAN, _R.OWN, _R.COVER, _R.ASKED}),
        Doing.TAKE: frozenset({_R.PLAN, _R.OWN, _R.COVER, _R.ASKED}),
        Doing.EXPORT: frozenset({_R.OWN, _R.COVER}),
        Doing.BREAK_GLASS: frozenset(Relation),
    },
    Role.CENTRAL_OFFICE: {
        Doing.SEE_ROW: _ALL_BUT_NONE,
        Doing.SEE_STAY: _ALL_BUT_NONE,
        Doing.SEE_PERSON: _ALL_BUT_NONE - {_R.FORMER},
        Doing.ACT: frozenset({_R.OWN, _R.COVER, _R.ASKED}),
        Doing.NOTE: _ALL_BUT_NONE - {_R.FORMER},
        Doing.ANSWER: _ALL_BUT_NONE - {_R.FORMER},
        Doing.TAKE: _ALL_BUT_NONE - {_R.FORMER},
        Doing.ASSIGN: _ALL_BUT_NONE - {_R.FORMER},
        Doing.SEE_BOARD: _ALL_BUT_NONE - {_R.FORMER},
        Doing.REVIEW: _ALL_BUT_NONE - {_R.FORMER},
        Doing.EXPORT: frozenset({_R.OWN, _R.COVER}),
        Doing.BREAK_GLASS: frozenset(Relation),
    },
    **{role: {} for role in NO_PATIENTS},
}
assert _PATIENT.keys() == set(Role)

# What a role may do that is about no patient.
_HOUSE: Final[Mapping[Doing, frozenset[Role]]] = {
    Doing.SEE_DIRECTORY: frozenset(Role) - {Role.AUDITOR},
    Doing.CHANGE_DIRECTORY: frozenset({Role.CENTRAL_OFFICE, Role.ADMIN}),
    Doing.CHANGE_DESTINATIONS: frozenset({Role.CENTRAL_OFFICE, Role.ADMIN}),
    Doing.SEE_AUDIT: frozenset({Role.CENTRAL_OFFICE, Role.AUDITOR}),
    Doing.SEE_FEEDS: frozenset({Role.CENTRAL_OFFICE, Role.MANAGER, Role.ADMIN, Role.ANALYST}),
    Doing.END_SESSIONS: frozenset({Role.CENTRAL_OFFICE, Role.ADMIN}),
}
BREAK_GLASS_FOR: Final = timedelta(hours=1)
_OPENED: Final = frozenset({Doing.SEE_ROW, Doing.SEE_STAY, Doing.SEE_PERSON, Doing.NOTE})


def may(role: Role, doing: Doing, relation: Relation | None = None, *, glass_broken: bool = False) -> Answer:
    """Whether somebody of that role may do that. `relation`: to the patient it is about; `None`: to nobody.

    `glass_broken`: this person broke the glass for this patient less than an hour ago, with a reason.
    """
    if doing in _HOUSE:
        return Answer(True, Why.ROLE) if role in _HOUSE[doing] else Answer(False, Why.ROLE_MAY_NOT)
    allowed = _PATIENT[role].get(doing, _NOBODY)
    if relation is None:
        return Answer(bool(allowed), Why.ROLE if allowed else Why.ROLE_MAY_NOT)
    if relation in allowed:
        return Answer(True, Why.RELATION)
    if glass_broken and doing in _OPENED and Doing.BREAK_GLASS in _PATIENT[role]:
        return Answer(True, Why.BREAK_GLASS)
    if relation is Relation.FORMER:
        return Answer(False, Why.TOLD_ONLY)
    return Answer(False, Why.NO_RELATION if allowed else Why.ROLE_MAY_NOT)


def may_see_feed(person: CaseManager, feed: str) -> Answer:
    """Whether somebody may see how a feed does and what of it was refused; a hospital's analyst, that hospital's."""
    if person.role is Role.ANALYST and feed not in person.feeds:
        return Answer(False, Why.NO_RELATION)
    return may(person.role, Doing.SEE_FEEDS)


def glass_holds(broken_at: datetime | None, now: datetime) -> bool:
    """Whether glass broken then is still broken."""
    return broken_at is not None and broken_at <= now < broken_at + BREAK_GLASS_FOR


def relation_of(
    person: CaseManager,
    alert: Alert,
    enrollee: Enrollee | None,
    *,
    network_id: str = "",
    lme_mco_id: str = "",
    holder: str = "",
    covers: frozenset[str] = frozenset(),
    asked: bool = False,
) -> Relation:
    """What `person` is to the patient of `alert`, the nearest that holds.

    `network_id`: of the enrollee's practice; `lme_mco_id`: of the county; `covers`: for whom the person stands in now;
    `asked`: a question to the person, or an escalation, is open.
    """
    if person.role in NO_PATIENTS:
        return Relation.NONE
    who = person.case_manager_id
    owners = {owner.case_manager_id for owner in alert.owners} | ({holder} if holder else set())
    was_told = who in alert.told
    if who in owners:
        return Relation.OWN
    if owners & covers:
        return Relation.COVER
    if asked:
        return Relation.ASKED
    if person.is_at_plan:
        if lme_mco_id and person.lme_mco_id == lme_mco_id and was_told:
            return Relation.PLAN
        return Relation.FORMER if was_told else Relation.NONE
    if person.role is Role.CENTRAL_OFFICE:
        return Relation.CENTRAL
    if enrollee is not None and enrollee.practice_id in person.practices:
        return Relation.PRACTICE
    if network_id and person.network_id == network_id:
        return Relation.NETWORK
    return Relation.FORMER if was_told else Relation.NONE
