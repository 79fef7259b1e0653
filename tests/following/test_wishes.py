"""How somebody wants to be reached: the last word on each thing, whatever the order, without what was taken back."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from parsers.people import Role
from rules.following.acts import Act, ActFault, ActKind, MayLeave, Mode, NumberUse, Outcome, faults
from rules.following.wishes import Wishes, is_never, is_to_be_asked, wishes

NOON = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)


def act(kind: ActKind = ActKind.CONTACT_WISHES, minutes: int = 0, **changed: object) -> Act:
    at = NOON + timedelta(minutes=minutes)
    plain = {
        "act_id": f"{kind}{minutes}", "kind": kind, "by": "ortiz", "role": Role.NURSE, "version": 1,
        "happened_at": at, "recorded_at": at,
    }  # fmt: skip
    return Act.model_validate({**plain, **changed})


NO = act(message=MayLeave.NO, language="Spanish", interpreter=True)
FIRST = act(minutes=1, message=MayLeave.UNNAMED, number="8285550101", number_use=NumberUse.FIRST)
NEVER = act(minutes=2, message=MayLeave.YES, number="8285550102", number_use=NumberUse.NEVER)


def test_the_last_word_on_each_thing_holds_in_any_order_of_delivery() -> None:
    assert wishes([]) == Wishes()
    for acts in permutations([NO, FIRST, NEVER, act(ActKind.NOTE, 3, text="x")]):
        known = wishes(acts)
        assert (known.message, known.first, known.never) == (MayLeave.YES, "8285550101", {"8285550102"})
        assert (known.language, known.interpreter, known.last) == ("Spanish", True, NEVER)


def test_what_is_taken_back_or_said_otherwise_of_a_number_no_longer_holds() -> None:
    undone = act(ActKind.UNDO, 4, supersedes=NEVER.act_id)
    assert wishes([NO, FIRST, NEVER, undone]).message is MayLeave.UNNAMED
    again = act(minutes=5, message=MayLeave.YES, number="8285550101", number_use=NumberUse.NEVER, interpreter=False)
    known = wishes([NO, FIRST, again])
    assert (known.first, known.never, known.interpreter) == ("", {"8285550101"}, False)


def test_a_number_not_to_call_is_known_however_it_is_written() -> None:
    known = wishes([NEVER])
    written = ("828-555-0102", "+1 (828) 555-0102", "8285550101", "")
    assert [is_never(known, number) for number in written] == [True, True, False, False]


@pytest.mark.parametrize("message", list(MayLeave))
def test_a_message_left_is_asked_about_where_none_may_be_or_nobody_knows(message: MayLeave) -> None:
    left = act(ActKind.ATTEMPT, outcome=Outcome.LEFT_MESSAGE, mode=Mode.PHONE)
    known = Wishes(message=message)
    assert is_to_be_asked(left, known) is (message in (MayLeave.NO, MayLeave.UNKNOWN))
    assert not is_to_be_asked(act(ActKind.ATTEMPT, outcome=Outcome.NO_ANSWER, mode=Mode.PHONE), known)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({}, "message"),
        ({"message": "yes", "number": "1"}, "number_use"),
        ({"message": "yes", "number_use": "first"}, "number"),
    ],
)
def test_a_wish_that_says_half_is_refused(changed: dict[str, str], field: str) -> None:
    assert [(fault.code, fault.field) for fault in faults(act(**changed), None)] == [(ActFault.FIELD_MISSING, field)]
