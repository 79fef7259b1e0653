"""What a line of the panel held before and holds now in, what its person was known by before and keeps out. Pure."""

from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from parsers.files.panel_columns import KNOWN_BY, split_mrns
from streams.store.panel_rows import KEPT_COLUMNS, RS, US


class Before(NamedTuple):
    """What a line held that its successor has to keep; columns of the enrollees table."""

    enrollee_id: str
    last: str
    first: str
    street: str
    zip: str
    phone: str
    mrns: str
    practice_id: str
    effective_from: str
    effective_to: str
    former_names: str
    former_addresses: str
    former_phones: str
    former_mrns: str
    home_since: str


class After(NamedTuple):
    """What a person is known by, and where they are at home, according to the file."""

    last: str
    first: str
    street: str
    zip: str
    phone: str
    mrns: str
    practice_id: str
    effective_from: str


assert After._fields == KNOWN_BY, "a column that is known by is kept by nobody"
KEPT: Final = ("enrollee_id", *KEPT_COLUMNS, "left_since", "left_until")


def succeed(before: Before, after: After, today: date) -> tuple[str, ...]:
    """A row of `kept`: all that the person was known by before, and the days of the home they leave ("" for none)."""
    numbers = before.former_mrns
    if before.mrns != after.mrns:
        now_used = set(split_mrns(after.mrns))
        known = dict.fromkeys(split_mrns(f"{before.former_mrns};{before.mrns}"))
        numbers = ";".join(f"{system}:{value}" for system, value in known if (system, value) not in now_used)
    return (
        before.enrollee_id,
        _kept(before.former_names, (before.last, before.first), (after.last, after.first)),
        _kept(before.former_addresses, (before.street, before.zip), (after.street, after.zip)),
        _kept(before.former_phones, (before.phone,), (after.phone,)),
        numbers,
        *_leave_home(before, after, today),
    )


def _kept(former: str, old: tuple[str, ...], new: tuple[str, ...]) -> str:
    """Former values, oldest first, each once, without the one in use now."""
    if old == new:
        return former
    known = dict.fromkeys((*former.split(RS), US.join(old)))
    return RS.join(value for value in known if value not in (US.join(new), "", US))


def _leave_home(before: Before, after: After, today: date) -> tuple[str, str, str]:
    """(first day of the home the line has now, first and last day of the home it leaves or "" for none).

    Another practice is home from the new `effective_from` where that moved on, else from today. The same practice with
    a later `effective_from` is a new enrollment after a gap; with an earlier one it is a correction.
    """
    later = after.effective_from > before.effective_from
    if before.practice_id == after.practice_id and not (later and before.effective_to):
        return before.home_since, "", ""
    start = after.effective_from if later else today.isoformat()
    since = before.home_since or before.effective_from
    if start <= since:
        return before.home_since, "", ""
    last = _day_before(start)
    return start, since, min(before.effective_to, last) if before.effective_to else last


@lru_cache(maxsize=1024)
def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
