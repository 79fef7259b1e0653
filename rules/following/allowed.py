"""Whether somebody may write an act: the act, the stay and the directory in, yes or no with the reason out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from parsers.people import CaseManager, Enrollee
from rules.decisions import Alert
from rules.following.acts import ActKind
from rules.following.holder import Holding
from rules.following.roles import Answer, Doing, Relation, may, relation_of
from rules.telling.directory import Directory

# What one must be allowed to do to write an act. Who was told something may note it, and take back what they wrote.
DOING: Final[Mapping[ActKind, Doing]] = {
    ActKind.TAKE: Doing.TAKE,
    ActKind.GIVE_BACK: Doing.TAKE,
    ActKind.HAND_OVER: Doing.TAKE,
    ActKind.ACCEPT: Doing.TAKE,
    ActKind.ASSIGN: Doing.ASSIGN,
    ActKind.ATTEMPT: Doing.ACT,
    ActKind.UNABLE: Doing.ACT,
    ActKind.VISIT_BOOKED: Doing.ACT,
    ActKind.VISIT_KEPT: Doing.ACT,
    ActKind.VISIT_MISSED: Doing.ACT,
    ActKind.MEDICINES_RECONCILED: Doing.RECONCILE,
    ActKind.PAPERS_FILED: Doing.ACT,
    ActKind.GUIDE_ANSWERED: Doing.ACT,
    ActKind.REFERRAL: Doing.ACT,
    ActKind.NOTE: Doing.NOTE,
    ActKind.CONTACT_WISHES: Doing.NOTE,
    ActKind.REMIND: Doing.ACT,
    ActKind.ASK: Doing.NOTE,
    ActKind.ANSWER: Doing.ANSWER,
    ActKind.NOT_OURS: Doing.ACT,
    ActKind.NOTED: Doing.SEE_STAY,
    ActKind.CLOSE: Doing.ACT,
    ActKind.REOPEN: Doing.ACT,
    ActKind.UNDO: Doing.SEE_STAY,
}
assert DOING.keys() == set(ActKind)


def relation(
    person: CaseManager,
    alert: Alert,
    enrollee: Enrollee | None,
    holding: Holding,
    directory: Directory,
    now: datetime,
    *,
    asked: bool = False,
) -> Relation:
    """What `person` is to the patient of `alert` at `now`. `asked`: escalation put the stay before them."""
    who = person.case_manager_id
    practice = directory.practices.get(enrollee.practice_id) if enrollee else None
    plan = directory.lme_mco_for(enrollee.address.county) if enrollee and enrollee.address else None
    questioned = any(question.asked.for_id == who and question.answered is None for question in holding.questions)
    return relation_of(
        person,
        alert,
        enrollee,
        network_id=practice.network_id if practice else "",
        lme_mco_id=plan.lme_mco_id if plan else "",
        holder=holding.holder,
        covers=covers_of(person, alert, holding, directory, now),
        asked=asked or questioned or holding.offered_to == who,
    )


def may_write(person: CaseManager, kind: ActKind, to_patient: Relation) -> Answer:
    """Whether `person`, being that to the patient, may write an act of that kind."""
    return may(person.role, DOING[kind], to_patient)


def covers_of(
    person: CaseManager, alert: Alert, holding: Holding, directory: Directory, now: datetime
) -> frozenset[str]:
    """For whom of those who have the stay `person` stands in at `now`."""
    covered = set()
    for who in {owner.case_manager_id for owner in alert.owners} | {holding.holder} - {""}:
        owner = directory.person(who)
        answering = directory.stand_in(owner, now) if owner else None
        if owner and answering and answering[0] != owner and answering[0] == person:
            covered.add(who)
    return frozenset(covered)
