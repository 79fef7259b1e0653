"""How reading a message can end when it is not an event: a reject, a "no transition", a test message."""

from enum import StrEnum

from parsers.events import Event, Value


class RejectCode(StrEnum):
    """Why we cannot use a message: closed, and the same word in metrics, headers, ERR and the README.

    Each maps to an HL7 table 0357 code for ERR-3 in `parsers.hl7.acks`.
    """

    EMPTY = "empty"  # a frame or file without a message
    NOT_HL7 = "not_hl7"  # does not start with an MSH, FHS or BHS segment
    BAD_DELIMITERS = "bad_delimiters"  # MSH-1/MSH-2 unusable
    NOT_ADT = "not_adt"  # MSH-9.1 is another message type
    TRIGGER_MISSING = "trigger_missing"  # neither MSH-9.2 nor EVN-1 nor MSH-9.3 says one
    UNDECODABLE = "undecodable"  # bytes that are not in the declared or configured character set
    SEGMENT_MISSING = "segment_missing"  # PID (or MRG for a merge) is not there
    PATIENT_MISSING = "patient_missing"  # PID names nobody: no identifier and no name
    TIME_MISSING = "time_missing"  # no usable time anywhere in the message
    SENDER_UNKNOWN = "sender_unknown"  # the connection is none of the configured senders
    OTHER_FACILITY = "other_facility"  # the sender may not speak for the facility it names
    FRAME_TOO_LARGE = "frame_too_large"
    FRAME_TIMEOUT = "frame_timeout"
    FRAME_GARBAGE = "frame_garbage"  # bytes outside a frame
    NOT_MLLP = "not_mllp"  # another protocol on the port, such as HTTP or TLS
    BATCH_COUNT = "batch_count"  # BTS-1 or FTS-1 disagrees with what the file holds


class Reject(Value):
    """The sender's data cannot be used: a closed code and a place, never a value."""

    code: RejectCode
    place: str = ""  # HL7 address such as "PID-3"; "" for the whole message


class NoTransition(Value):
    """A well-formed message that by its trigger changes nothing we follow."""

    trigger: str


class TestMessage(Value):
    """MSH-11 says that it is a test, and test mode is off."""

    __test__ = False  # not a pytest class

    trigger: str
    processing_id: str


Reading = Event | Reject | NoTransition | TestMessage
