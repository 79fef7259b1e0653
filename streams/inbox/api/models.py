"""What the API takes and gives. An act is the act of the pages: its fields are `rules.following.acts.Act`'s own."""

from datetime import date, datetime
from typing import Any, Final

from pydantic import AwareDatetime, Field, create_model

from parsers.events import Value
from rules.decisions import ClockKind
from rules.following.acts import Act, ActFault, CloseReason, MayLeave
from rules.following.escalation import CameTo
from rules.following.meets import Verdict
from rules.following.state import FollowUpState
from rules.telling.views import AlertView

_OURS: Final = frozenset(
    {"act_id", "by", "role", "recorded_at"}
)  # the header's, the token's, the directory's, the clock's
_FIELDS: Final[dict[str, Any]] = {
    **{name: (field.annotation, field) for name, field in Act.model_fields.items() if name not in _OURS},
    "version": (int, Field(ge=1, description="of the alert that was before the person")),
    "happened_at": (AwareDatetime | None, Field(None, description="when it was done; left out: now")),
    "until": (AwareDatetime | None, Field(None, description="remind: when it comes back; attempt: when to try again")),
}


class ActBase(Value):
    """One thing a person did about a stay. The sender's Idempotency-Key becomes its id."""


ActIn = create_model("ActIn", __base__=ActBase, __doc__=ActBase.__doc__, **_FIELDS)


class FollowUpOut(Value):
    """How far they are with the patient."""

    state: FollowUpState
    since: datetime
    tries: int
    remind_at: datetime | None
    close_reason: CloseReason | None


class ClockOut(Value):
    """One deadline, how it stands and the act that made it so."""

    kind: ClockKind
    due_at: datetime
    verdict: Verdict
    tries: int
    act_id: str


class StepOut(Value):
    """One question asked because nobody acted."""

    run: str
    number: int
    clock: str
    began_at: datetime
    due_at: datetime
    at: datetime
    came_to: CameTo
    person: str
    because: str
    ended_at: datetime | None


class WishesOut(Value):
    """How the person wants to be reached, as it was last written on any stay of theirs."""

    message: MayLeave
    first: str = Field(description="the number to call first; empty: none is named")
    never: tuple[str, ...] = Field(description="numbers not to call")
    language: str
    interpreter: bool | None
    said_at: datetime | None


class StaySummary(Value):
    """A stay on somebody's list. Where the view is withheld there is nothing but that."""

    stay: AlertView
    etag: str
    asked: bool = Field(description="this person was asked because nobody acted")
    holder: str = Field(description="case_manager_id; empty: nobody has it")
    follow_up: FollowUpOut | None


class StayWhole(StaySummary):
    """A stay with its story. Below the full tier the words of others' acts are left out."""

    versions: tuple[AlertView, ...]
    acts: tuple[Act, ...]
    clocks: tuple[ClockOut, ...]
    steps: tuple[StepOut, ...]
    wishes: WishesOut | None


class StayList(Value):
    stays: tuple[StaySummary, ...]


class AlertLine(Value):
    """One line of `/alerts`: a version, and the cursor to go on from."""

    cursor: int
    alert: AlertView


class PlaceOut(Value):
    """A practice and a hospital: how many stays of its people there counted as each."""

    practice_id: str
    practice: str = Field(description="its name; empty: none on file")
    hospital: str
    told: int
    to_call: int
    called_in_time: int
    reached: int
    to_visit: int
    visited_in_time: int
    unable: int
    taken_back: int


class Report(Value):
    """A week of the person's network: stays that somebody was first told of in it. Counts, nobody's name."""

    week: date = Field(description="its Monday")
    places: tuple[PlaceOut, ...]


class FaultOut(Value):
    code: ActFault
    field: str


class ProblemOut(Value):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    faults: tuple[FaultOut, ...] = ()
    held_by: str = ""


MODELS: Final = (ActIn, Act, StayList, StayWhole, AlertLine, Report, ProblemOut)
