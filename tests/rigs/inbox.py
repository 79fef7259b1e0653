"""An inbox of its own with a store of invented people: what its tests start, tell, kill and look at."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from parsers.events import (
    Address,
    Diagnosis,
    EncounterClass,
    Event,
    EventKind,
    FacilityKind,
    Identifier,
    Patient,
    PersonName,
)
from parsers.people import Absence, CaseManager, Consent, Enrollee, LmeMco, Network, Practice, RiskTier, Role
from rules.decisions import (
    Action,
    Alert,
    AlertKind,
    Change,
    Clock,
    ClockKind,
    Decision,
    Grade,
    Match,
    Owner,
    Priority,
    Reason,
    Stay,
    StayStatus,
)
from streams.inbox.links import make_link
from streams.kafka.records import EventRecord
from streams.listen.message_ids import new_message_id
from streams.store import Store

MARKER = "Zqxmarker"
RUN = (
    "import sys; from streams.run.logs import configure; configure('DEBUG'); "
    "from streams.run.settings import load_settings; "
    "from streams.inbox.process import run_inbox; run_inbox(load_settings(), demo=sys.argv[1:] == ['--demo'])"
)

ORTIZ = CaseManager(
    case_manager_id="cm-ortiz", name="M. Ortiz, RN", role=Role.NURSE, network_id="n1", practices=("p1", "p2")
)
BROWN = CaseManager(
    case_manager_id="cm-brown", name="T. Brown, RN", role=Role.NURSE, network_id="n1", practices=("p1",)
)
LANE = CaseManager(
    case_manager_id="cc-lane",
    name="J. Lane, LCSW",
    role=Role.CARE_COORDINATOR,
    lme_mco_id="vaya",
    email="j@example.org",
)
FAR = CaseManager(case_manager_id="cm-far", name="A. Far, RN", role=Role.NURSE, network_id="n2", practices=("p9",))
TWO = {  # of an alert: it is for both
    "owners": tuple(Owner(case_manager_id=who, because="practice") for who in ("cm-ortiz", "cm-brown")),
    "told": ("cm-ortiz", "cm-brown"),
}


def load_people(store, enrollees=(), *, staff=(), away=()):
    """The directory, with more `staff` and (who, stand-in) pairs of people who are away just now, and the panel."""
    now = datetime.now(UTC)
    store.directory.load(
        [Network(network_id="n1", name="Mountain Network"), Network(network_id="n2", name="Coast Network")],
        [
            Practice(practice_id="p1", name="Haywood Family Medicine", network_id="n1", phone="8285550100"),
            Practice(practice_id="p2", name="Black Mountain Clinic", network_id="n1", phone="8285550101"),
            Practice(practice_id="p9", name="Harbor Clinic", network_id="n2"),
        ],
        [ORTIZ, BROWN, LANE, FAR, *staff],
        [
            Absence(
                case_manager_id=who, starts=now - timedelta(days=1), ends=now + timedelta(days=3), backup_id=stand_in
            )
            for who, stand_in in away
        ],
        [LmeMco(lme_mco_id="vaya", name="Vaya Health", counties=("Buncombe",))],
    )
    if enrollees:
        store.panel.load(enrollees, full=True, now=datetime.now(UTC))


def person(number, given="Rosa", family="Whitfield", **more):
    values = {
        "enrollee_id": f"E{number:05}",
        "name": PersonName(given=given, family=family),
        "birth_date": date(1955, 3, 4),
        "practice_id": "p1",
        "sex": "F",
        "address": Address(street="12 Oak St", city="Asheville", state="NC", zip="28801", county="Buncombe"),
        "phone": "8285550147",
        "medicaid_id": f"90{number:07}K",
        "risk_tier": RiskTier.HIGH,
        "consent": Consent.NONE,
    }
    return Enrollee(**(values | more))


def newcomer(store, number=0):
    """One more person on the panel, of whom nothing was told yet."""
    enrollee = person(500 + number, f"Given{number}", "Newcomer")
    store.panel.load([enrollee], full=False, now=datetime.now(UTC))
    return enrollee


def clock(kind=ClockKind.TCM_CONTACT, hours=40, now=None):
    now = now or datetime.now(UTC)
    return Clock(kind=kind, starts_at=now - timedelta(hours=8), due_at=now + timedelta(hours=hours))


def alert(enrollee, stay="s1", version=1, **more):
    now = datetime.now(UTC)
    values = {
        "alert_id": stay,
        "version": version,
        "stay_id": stay,
        "enrollee_id": enrollee.enrollee_id,
        "kind": AlertKind.ADMISSION,
        "encounter_class": EncounterClass.INPATIENT,
        "status": StayStatus.IN_PROGRESS,
        "priority": Priority.HIGH,
        "owners": (Owner(case_manager_id=ORTIZ.case_manager_id, because="practice"),),
        "told": (ORTIZ.case_manager_id,),
        "action": Action.NOTIFY if version == 1 else Action.AMEND,
        "reasons": (Reason.ADMITTED,),
        "facility": "Mission Hospital",
        "occurred_at": now - timedelta(minutes=3),
        "decided_at": now,
        "message_id": new_message_id(now),
        "trigger": "A01",
        "control_id": "4711",
        "started_at": now - timedelta(days=3),
        "complaint": "shortness of breath",
        "risk_tier": enrollee.risk_tier,
        "ed_visits": 4,
        "ed_window_days": 60,
        "evidence": {"birth_date": "equal", "last_name": "equal", "ssn": "equal"},
        "rule": "admission",
        "route": "Haywood Family Medicine's case manager",
    }
    return Alert(**(values | more))


def discharge(enrollee, stay="s1", version=1, **more):
    values = {
        "kind": AlertKind.DISCHARGE,
        "status": StayStatus.FINISHED,
        "ended_at": datetime.now(UTC) - timedelta(minutes=5),
        "disposition": "01",
        "reasons": (Reason.DISCHARGED,),
        "trigger": "A03",
        "diagnoses": (Diagnosis(code="I50.9", system="I10", text="Heart failure, unspecified", type="F"),),
        "clocks": (clock(),),
        "changes": (Change(field="status", before="in-progress", after="finished"),) if version > 1 else (),
    }
    return alert(enrollee, stay, version, **(values | more))


def tell(store, *versions, now=None, feed="test", into=""):
    """Commit alert versions as the worker does; gives the position after them. `into`: the stay they were joined to."""
    for version in versions:
        _decide(store, version, now or datetime.now(UTC), feed, into)
    return store.changes.position()


def _decide(store, version, now, feed, into):
    event = Event(
        message_id=version.message_id,
        kind=EventKind.ADMITTED,
        trigger=version.trigger,
        feed=feed,
        facility=version.facility,
        occurred_at=version.occurred_at,
        recorded_at=version.occurred_at,
        received_at=now,
        fingerprint=version.message_id,
    )
    record = EventRecord(event=event, match=Match(grade=Grade.CERTAIN, enrollee_id=version.enrollee_id))

    def decide(_record, history):
        stay = Stay(
            stay_id=version.stay_id,
            enrollee_id=version.enrollee_id,
            facility=version.facility,
            facility_kind=version.facility_kind,
            feed=feed,
            keys=(Identifier(system=version.facility, value=version.stay_id),),
            status=version.status,
            started_at=version.started_at,
            ended_at=version.ended_at,
            opened_by=version.message_id,
            merged_into=into,
        )
        return Decision(action=version.action, reasons=version.reasons, stays=(stay,), alerts=(version,))

    store.decisions.decide([record], decide, now)


class InboxProcess:
    """`run_inbox` in a process of its own."""

    def __init__(self, settings, *, demo=False):
        self.settings = settings
        self.log = settings.data_dir / "inbox.log"
        self._demo = demo
        self._process: subprocess.Popen[bytes] | None = None

    def start(self):
        with suppress(FileNotFoundError):
            (self.settings.data_dir / "inbox.json").unlink()
        environment = {
            **os.environ,
            "HANDOFF_DATA_DIR": str(self.settings.data_dir),
            "HANDOFF_INBOX_PORT": str(self.settings.inbox_port),
            "HANDOFF_INBOX_METRICS_PORT": "0",
            "HANDOFF_TELL_METRICS_PORT": "0",
            "HANDOFF_LOCK_MINUTES": str(self.settings.lock_minutes),
            "DATABASE_URL": self.settings.database_url.get_secret_value(),
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", RUN, *(["--demo"] if self._demo else [])],
                env=environment,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(OSError, ValueError):
                url = json.loads((self.settings.data_dir / "inbox.json").read_text())["url"]
                with urllib.request.urlopen(f"{url}/static/mark.svg", timeout=2):
                    return url
            assert self._process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError("the inbox did not start")

    def link(self, who, store):
        return make_link(self.settings, who, store=store)

    def kill(self):
        assert self._process
        self._process.kill()
        self._process.wait(10)

    def stop(self):
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)


def town(now=None):
    """A lively list: (enrollees, alert versions) that show every kind of row."""
    now = now or datetime.now(UTC)
    ago = lambda **span: now - timedelta(**span)  # noqa: E731
    rosa = person(1)
    luis = person(2, "Luis", "Bennett", sex="M", birth_date=date(1948, 11, 2), risk_tier=RiskTier.RISING)
    imani = person(3, "Imani", "Caldwell", birth_date=date(1990, 6, 9), risk_tier=RiskTier.LOW)
    walter = person(4, "Walter", "Dawson", sex="M", birth_date=date(1939, 1, 30))
    baby = person(5, "Baby", "Everett", birth_date=now.date() - timedelta(days=2), risk_tier=RiskTier.UNKNOWN)
    grace = person(6, "Grace", "Fletcher", birth_date=date(1967, 8, 21), language="Spanish", programs=("diabetes",))
    otis = person(7, "Otis", "Gaines", sex="M", birth_date=date(1972, 2, 14), consent=Consent.NONE)
    ruth = person(8, "Ruth", "Holloway", birth_date=date(1951, 12, 5), risk_tier=RiskTier.RISING)
    both = {
        "owners": (
            Owner(case_manager_id=ORTIZ.case_manager_id, because="practice"),
            Owner(case_manager_id=BROWN.case_manager_id, because="network"),
        ),
        "told": (ORTIZ.case_manager_id, BROWN.case_manager_id),
    }
    versions = [
        alert(
            rosa, "a1", 1, decided_at=ago(days=3), occurred_at=ago(days=3), priority=Priority.HIGH, trigger="A04",
            kind=AlertKind.ED_VISIT, encounter_class=EncounterClass.EMERGENCY, reasons=(Reason.ED_ARRIVAL,), **both,
        ),
        alert(
            rosa, "a1", 2, decided_at=ago(days=2, hours=20), occurred_at=ago(days=2, hours=20), trigger="A06",
            reasons=(Reason.CLASS_CHANGED, Reason.ADMITTED), control_id="4712",
            changes=(Change(field="encounter_class", before="EMER", after="IMP"),), **both,
        ),
        discharge(
            rosa, "a1", 3, decided_at=ago(seconds=40), priority=Priority.URGENT, disposition="07", control_id="4719",
            reasons=(Reason.DISCHARGED, Reason.LEFT_AGAINST_ADVICE), **both,
            clocks=(clock(hours=30), clock(ClockKind.TCM_VISIT, 150)),
        ),
        discharge(
            luis, "a2", 1, decided_at=ago(hours=50), ended_at=ago(hours=52), started_at=ago(days=7),
            diagnoses=(Diagnosis(code="J44.1", system="I10", text="COPD WITH ACUTE EXACERBATION", type="F"),),
            clocks=(clock(hours=-4),), priority=Priority.HIGH, ed_visits=1,
        ),
        alert(imani, "a3", 1, priority=Priority.ROUTINE, reasons=(Reason.ADMITTED, Reason.PLANNED_ADMISSION),
              complaint="", expected_discharge=now + timedelta(days=2), ed_visits=0, started_at=ago(hours=6),
              decided_at=ago(hours=6)),
        alert(walter, "a4", 1, decided_at=ago(hours=30), started_at=ago(hours=30), ed_visits=0),
        alert(
            walter, "a4", 2, decided_at=ago(minutes=30), action=Action.RETRACT, status=StayStatus.CANCELLED,
            reasons=(Reason.ADMISSION_CANCELLED,), trigger="A11", started_at=ago(hours=30), ed_visits=0,
        ),
        alert(baby, "a5", 1, priority=Priority.ROUTINE, reasons=(Reason.ADMITTED, Reason.NEWBORN), complaint="",
              started_at=ago(days=2), decided_at=ago(days=2), ed_visits=0),
        discharge(grace, "a6", 1, decided_at=ago(days=1), started_at=ago(days=6), ended_at=ago(days=1), ed_visits=2,
                  diagnoses=(Diagnosis(code="E11.65", system="I10", text="Type 2 diabetes", type="F"),),
                  clocks=(clock(hours=216), clock(ClockKind.TRC_MEDICATION_RECONCILIATION, 600)), disposition="06"),
        alert(otis, "a7", 1, facility="Balsam Center", facility_kind=FacilityKind.PSYCHIATRIC, decided_at=ago(hours=3),
              started_at=ago(hours=4), ed_visits=0),
        alert(
            ruth, "a8", 1, priority=Priority.HIGH, kind=AlertKind.ED_VISIT, encounter_class=EncounterClass.EMERGENCY,
            reasons=(Reason.ED_ARRIVAL, Reason.ED_HIGH_UTILIZER), complaint="CHEST PAIN", started_at=ago(minutes=50),
            decided_at=ago(minutes=49), ed_visits=5,
        ),
        discharge(ruth, "a9", 1, decided_at=ago(days=20), started_at=ago(days=24), ended_at=ago(days=20), clocks=(),
                  disposition="03", priority=Priority.ROUTINE, ed_visits=0),
    ]  # fmt: skip
    return [rosa, luis, imani, walter, baby, grace, otis, ruth], versions


def hold(store, enrollee, message_id="f" * 32):
    now = datetime.now(UTC)
    event = Event(
        message_id=message_id,
        kind=EventKind.ADMITTED,
        trigger="A01",
        feed="test",
        facility="Pardee",
        occurred_at=now,
        recorded_at=now,
        received_at=now,
        fingerprint=message_id,
        patient=Patient(
            name=PersonName(family="Whitfeild", given="Rosa"),
            birth_date=enrollee.birth_date,
            sex="F",
            identifiers=(Identifier(system="PARDEE", value="77"),),
        ),
    )
    match = Match(
        grade=Grade.POSSIBLE,
        enrollee_id=enrollee.enrollee_id,
        evidence={"birth_date": "equal", "last_name": "similar"},
    )
    decision = Decision(action=Action.HOLD, reasons=(Reason.POSSIBLE_MATCH,))
    store.decisions.decide([EventRecord(event=event, match=match)], lambda _record, _history: decision, now)
    return store.reviews.waiting()[0].review_id


def open_store(settings):
    return Store.open(settings.store_url, migrate=True)
