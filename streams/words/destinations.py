"""Destinations and what became of what is due to them, in words for whoever looks after them. Pure."""

from collections.abc import Mapping
from typing import Final

from rules.telling.attempts import Failure, GiveUp
from rules.telling.destinations import FormKind, State, Whose

FAILURES: Final[Mapping[str, str]] = {
    Failure.TIMED_OUT: "no answer in time",
    Failure.NO_CONNECTION: "no connection",
    Failure.CONNECTION_LOST: "the connection broke",
    Failure.TLS: "its certificate is not good",
    Failure.ADDRESS_REFUSED: "its address is not allowed",
    Failure.REDIRECTED: "it sends us elsewhere",
    Failure.REFUSED: "it refuses what we send",
    Failure.NEVER: "it will never take the message",
    Failure.NOT_ALLOWED: "it does not let us in",
    Failure.GONE: "it is gone",
    Failure.SLOW_DOWN: "it asks us to slow down",
    Failure.SERVER_ERROR: "an error on its side",
    Failure.BAD_ANSWER: "its answer is not the protocol's",
    Failure.BOUNCED: "it came back",
    Failure.NO_ROOM: "no room in the folder",
    Failure.MISCONFIGURED: "settings are missing here",
    Failure.CRASHED: "a fault of this program",
    GiveUp.TRIED_ENOUGH: "tried long enough",
    GiveUp.NOT_WANTED: "not wanted there",
    GiveUp.SUPERSEDED: "a newer one took its place",
    GiveUp.REMOVED: "the destination was removed",
    GiveUp.NOT_PASSED_ON: "no message to pass on",
    GiveUp.WITHHELD: "not for them to know",
}
assert FAILURES.keys() == set(Failure) | set(GiveUp)
FORMS: Final[Mapping[FormKind, str]] = {
    FormKind.WEBHOOK_JSON: "webhook",
    FormKind.NUDGE: "mail at once",
    FormKind.DIGEST: "mail at set hours",
    FormKind.DA_VINCI: "Da Vinci notification",
    FormKind.SUBSCRIPTION: "FHIR subscription",
    FormKind.HL7_ADT: "HL7 v2 ADT",
    FormKind.HL7_RECEIVED: "HL7 v2 ADT as received",
    FormKind.HL7_MDM: "HL7 v2 MDM",
    FormKind.SMS: "text message",
    FormKind.CSV: "CSV files",
    FormKind.NDJSON: "NDJSON files",
    FormKind.DIRECT_ADT: "Direct message",
    FormKind.HL7_COORDINATOR: "HL7 v2 MDM, who coordinates",
    FormKind.DIRECT_COORDINATOR: "Direct message, who coordinates",
}
assert FORMS.keys() == set(FormKind)
STATES: Final[Mapping[State, str]] = {
    State.ACTIVE: "active",
    State.PAUSED: "paused",
    State.REMOVED: "removed",
    State.REQUESTED: "not confirmed by its client yet",
    State.OFF: "over",
}
assert STATES.keys() == set(State)


def why(code: str) -> str:
    """The reason of a failure or of a state in words; what is no code of ours is words already."""
    return FAILURES.get(code, code)


def whose(kind: Whose, owner: str) -> str:
    """Whose a destination is: `practice Oak`."""
    return " ".join(filter(None, (kind.replace("_", " "), owner)))
