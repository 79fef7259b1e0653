"""Destinations, alerts and versions that are due, for the tests of ways out."""

from datetime import UTC, datetime, timedelta

from parsers.events import EventKind
from parsers.people import CaseManager, LmeMco, Network, Practice, Role
from rules.decisions import Action, Decision, History, Reason, StayStatus
from rules.telling.destinations import WAYS_OF, Destination, FormKind, Whose
from rules.telling.directory import Directory
from rules.telling.due import DestinationIndex
from streams.kafka.records import EventRecord
from streams.store import Store
from streams.tell.hl7_parcels import Kept
from tests.rigs.store import alert_of, decide, record

NONE_KEPT = Kept(lambda *_: None, lambda *_: None)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = b"the key of the tests"
DIRECTORY = Directory(
    [Network(network_id="N1", name="Mountain")],
    [Practice(practice_id=f"P{number}", name="Practice", network_id="N1") for number in range(60)],
    [
        CaseManager(case_manager_id="ortiz", name="M. Ortiz, RN", role=Role.NURSE, network_id="N1", practices=("P1",)),
        CaseManager(case_manager_id="chief", name="C. Chief", role=Role.MANAGER, network_id="N1"),
        CaseManager(case_manager_id="other_chief", name="O. Other", role=Role.MANAGER, network_id="N9"),
        CaseManager(case_manager_id="far", name="F. Far", role=Role.NURSE, network_id="N9"),
    ],
    [],
    [LmeMco(lme_mco_id="vaya", name="Vaya", counties=("Buncombe",))],
)


def destination(
    name: str = "d1", form: FormKind = FormKind.WEBHOOK_JSON, whose: Whose = Whose.PRACTICE, **changes: object
) -> Destination:
    owner = {Whose.PRACTICE: "P1", Whose.NETWORK: "N1", Whose.PLAN: "vaya", Whose.PERSON: "ortiz"}.get(whose, "")
    if whose is Whose.HOSPITAL:
        owner = "MISSION"
    given = {
        "destination_id": name,
        "name": name,
        "whose": whose,
        "owner_id": owner,
        "form": form,
        "way": WAYS_OF[form],
        "address": "https://receiver.example/hook",
    }
    return Destination.model_validate({**given, **changes})


def asking(*destinations: Destination, directory: Directory = DIRECTORY):
    """What the worker asks in its transaction."""
    index = DestinationIndex(destinations)
    return lambda due: index.due(due.alert, due.enrollee, due.told, directory)


def decide_for(store: Store, destinations, *records: EventRecord, rule=decide, now=NOW) -> None:
    store.decisions.decide(list(records), rule, now, ask_due=asking(*destinations))


def retracting(event_record: EventRecord, history: History) -> Decision:
    """The rule that takes the known stay back."""
    stay = history.stays[0].model_copy(update={"status": StayStatus.CANCELLED})
    last = next(alert.version for alert in history.alerts if alert.alert_id == stay.stay_id)
    alert = alert_of(stay, last + 1, event_record.event, Action.RETRACT, reasons=(Reason.ADMISSION_CANCELLED,))
    return Decision(action=Action.RETRACT, reasons=(Reason.ADMISSION_CANCELLED,), stays=(stay,), alerts=(alert,))


def take_back(number: int, enrollee: str = "E1", **changes):
    return record(number, enrollee, kind=EventKind.ADMIT_CANCELLED, **changes)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)
