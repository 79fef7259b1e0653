"""Roles: the table is total, says why, and nobody without a relation reads anything of a patient."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.events import PersonName
from parsers.people import NO_PATIENTS, CaseManager, Enrollee, Role
from rules.decisions import Owner
from rules.following.roles import Doing, Relation, Why, glass_holds, may, may_see_feed, relation_of
from tests.following.test_following import version

PATIENT = Enrollee(enrollee_id="E1", name=PersonName(family="A"), birth_date=date(1950, 1, 1), practice_id="P1")
READS = (Doing.SEE_ROW, Doing.SEE_STAY, Doing.SEE_PERSON, Doing.EXPORT)


@pytest.mark.parametrize(("role", "doing"), list(product(Role, Doing)))
def test_every_cell_answers_with_a_reason(role: Role, doing: Doing) -> None:
    for relation in (*Relation, None):
        answer = may(role, doing, relation)
        assert answer.why in (
            (Why.RELATION, Why.ROLE) if answer else (Why.ROLE_MAY_NOT, Why.NO_RELATION, Why.TOLD_ONLY)
        )


@pytest.mark.parametrize("role", sorted(set(Role) - NO_PATIENTS))
def test_to_whom_the_patient_is_nothing_nothing_is_shown(role: Role) -> None:
    assert not any(may(role, doing, Relation.NONE) for doing in READS)
    assert may(role, Doing.SEE_STAY, Relation.NONE, glass_broken=True).why is Why.BREAK_GLASS
    assert not may(role, Doing.ACT, Relation.NONE, glass_broken=True)
    assert not may(role, Doing.EXPORT, Relation.NONE, glass_broken=True)
    assert not may(role, Doing.ACT, Relation.FORMER)


@pytest.mark.parametrize("role", sorted(NO_PATIENTS))
def test_a_role_without_patients_has_none_whatever_it_was_told_or_breaks(role: Role) -> None:
    patients = [doing for doing in Doing if any(may(Role.CENTRAL_OFFICE, doing, relation) for relation in Relation)]
    house = {Doing.SEE_DIRECTORY, Doing.CHANGE_DIRECTORY, Doing.CHANGE_DESTINATIONS, Doing.SEE_AUDIT, Doing.SEE_FEEDS,
             Doing.END_SESSIONS}  # fmt: skip
    for doing in set(patients) - house:
        for relation in (*Relation, None):
            for broken in (False, True):
                assert may(role, doing, relation, glass_broken=broken).why is Why.ROLE_MAY_NOT or (
                    relation is Relation.FORMER and not may(role, doing, relation, glass_broken=broken)
                )


def test_the_auditor_sees_the_audit_and_nothing_else() -> None:
    assert [doing for doing in Doing if may(Role.AUDITOR, doing)] == [Doing.SEE_AUDIT]
    assert [doing for doing in Doing if may(Role.ANALYST, doing)] == [Doing.SEE_DIRECTORY, Doing.SEE_FEEDS]
    assert not may(Role.ADMIN, Doing.SEE_AUDIT)
    assert may(Role.ADMIN, Doing.CHANGE_DIRECTORY)


@given(
    st.sampled_from(list(Role)), st.sets(st.sampled_from(["mission", "pardee"])), st.sampled_from(["mission", "x", ""])
)
def test_an_analyst_sees_the_feeds_of_the_own_hospital_alone(role: Role, own: set[str], feed: str) -> None:
    person = CaseManager(case_manager_id="me", name="me", role=role, feeds=tuple(own))
    answer = may_see_feed(person, feed)
    if role is Role.ANALYST:
        assert answer == ((True, Why.ROLE) if feed in own else (False, Why.NO_RELATION))
    else:
        assert answer == may(role, Doing.SEE_FEEDS)


def test_who_does_what() -> None:
    assert may(Role.MANAGER, Doing.ASSIGN, Relation.NETWORK)
    assert not may(Role.NURSE, Doing.ASSIGN, Relation.OWN)
    assert not may(Role.SOCIAL_WORKER, Doing.RECONCILE, Relation.OWN)
    assert may(Role.PHARMACIST, Doing.ANSWER, Relation.ASKED)
    assert may(Role.CENTRAL_OFFICE, Doing.SEE_AUDIT)
    assert not may(Role.MANAGER, Doing.SEE_AUDIT)


def test_the_glass_is_broken_for_an_hour() -> None:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert glass_holds(at, at + timedelta(minutes=59))
    assert not glass_holds(at, at + timedelta(hours=1))
    assert not glass_holds(None, at)


_PEOPLE = st.builds(
    lambda role, network, plan, practices: CaseManager(
        case_manager_id="me", name="me", role=role, network_id=network, lme_mco_id=plan, practices=practices
    ),
    st.sampled_from(list(Role)),
    st.sampled_from(["", "N1", "N2"]),
    st.sampled_from(["", "L1", "L2"]),
    st.sampled_from([(), ("P1",), ("P2",)]),
)


@settings(max_examples=400, deadline=None)
@given(_PEOPLE, st.sampled_from([(), ("me",), ("you",)]), st.booleans(), st.booleans(), st.booleans())
def test_random_people_and_routes_find_no_leak(
    person: CaseManager, owners: tuple[str, ...], was_told: bool, asked: bool, covers: bool
) -> None:
    alert = version(
        owners=tuple(Owner(case_manager_id=owner, because="practice") for owner in owners),
        told=("me",) if was_told else (),
    )
    relation = relation_of(
        person, alert, PATIENT, network_id="N1", lme_mco_id="L1", asked=asked,
        covers=frozenset({"you"} if covers else ()),
    )  # fmt: skip
    near = (
        "me" in owners
        or (covers and "you" in owners)
        or asked
        or was_told
        or person.role is Role.CENTRAL_OFFICE
        or (not person.lme_mco_id and person.role is not Role.CARE_COORDINATOR
            and ("P1" in person.practices or person.network_id == "N1"))
    )  # fmt: skip
    if may(person.role, Doing.SEE_ROW, relation):
        assert near
        assert person.role not in NO_PATIENTS
    if was_told and relation is Relation.FORMER:
        assert not may(person.role, Doing.SEE_PERSON, relation)
