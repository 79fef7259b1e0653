"""Who read or wrote what about whom, when and from where: rows that nothing updates, chained so that a change shows.

Each row is written in the transaction of its deed. `hash` is SHA-256 over the hash before it and the row's own values
as canonical JSON; whoever changes, puts in or takes out a row breaks the chain there. The last hash is kept beside the
rows, so that those at the end are missed as well; who changes that, too, is seen by whoever noted it elsewhere. A list
of people that was shown is named by a hash of them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select, tuple_

from streams.store.database import Database, write_rows
from streams.store.tables import alerts, audit, facts, from_us, shown_sets, to_us

ORIGIN: ContextVar[str] = ContextVar("origin", default="")  # from where the one asks whose deed is being written
_LOCK: Final = 0x61756469746F72  # a number that only the audit uses: rows are chained one after the other
_VALUES: Final = ("at_us", "case_manager_id", "what", "alert_id", "enrollee_id", "detail", "origin")
_COLUMNS: Final = (*_VALUES, "prev_hash", "hash")
_HEAD: Final = "audit_head"  # the fact that names the newest row
_UNCHAINED: Final = "audit_unchained"  # the fact that says how many rows there are of before there was a chain
_SET: Final = "set:"  # begins the name of a set of people, where the id of an alert stands otherwise
_AT_ONCE: Final = 5_000  # rows of one look
_NEWEST: Final = select(audit.c.hash).order_by(audit.c.audit_id.desc()).limit(1).scalar_subquery()
_KEPT: Final = {
    name: select(facts.c.value).where(facts.c.name == name).scalar_subquery() for name in (_HEAD, _UNCHAINED)
}
_ENDS: Final = select(_NEWEST, _KEPT[_HEAD], _KEPT[_UNCHAINED])  # hash of the newest row; what is kept beside the rows
_BEFORE_ALL: Final = -(2**63)  # ours count from 1; who puts one in before them may have chosen any number


class Audited(StrEnum):
    """What can be done; the word in the audit."""

    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    REFUSED = "refused"  # a try to sign in
    ENDED = "ended"  # a session, by another than the one who signs out
    LINKED = "linked"  # made a link by which somebody signs in, or sets up how they do
    BOUND = "bound"  # a way to sign in, a token or a FHIR client, and whose it is
    UNBOUND = "unbound"
    READ_LIST = "read_list"
    READ_STAY = "read_stay"
    READ_REVIEW = "read_review"
    READ_AUDIT = "read_audit"
    AUTO = "auto"  # a page fetched it by itself; nobody may have looked
    BROKE_GLASS = "broke_glass"  # opened a patient in an emergency
    LOOKED_AT_GLASS = "looked_at_glass"  # a manager, afterwards
    ACTED = "acted"  # on a stay, or changed the directory
    UNDID = "undid"
    DRAFTED = "drafted"  # typed something on a stay that is not sent; nothing is told
    ENTERED = "entered"  # an event, by hand
    ASKED = "asked"  # by escalation, because nobody acted; or why nobody was
    REVIEWED = "reviewed"
    SWITCHED = "switched"
    PRINTED = "printed"
    PARKED = "parked"  # a sender was set aside by hand, and taken back
    RESUMED = "resumed"
    DESTINATION = "destination"  # one was made, paused, resumed, removed, tested, told again, or got a new secret
    READ_QUARANTINED = "read_quarantined"  # the bytes of a message that our code failed on


IN_EMERGENCY: Final = "opened in an emergency"  # begins the detail of such a look
COLUMNS: Final = ("at", "user", "what", "person", "alert", "detail", "from")


class AuditRow(NamedTuple):
    at: datetime
    case_manager_id: str
    what: Audited
    alert_id: str
    enrollee_id: str
    detail: str
    origin: str = ""

    @property
    def is_list(self) -> bool:
        """Of a list of people; `alert_id` names them as a set."""
        return self.alert_id.startswith(_SET)

    def said(self) -> dict[str, str]:
        """The row for whoever reads the audit outside, by the names in `COLUMNS`."""
        at = self.at.isoformat(timespec="seconds")
        values = (at, self.case_manager_id, self.what.value, self.enrollee_id, self.alert_id, self.detail, self.origin)
        return dict(zip(COLUMNS, values, strict=True))


class Broken(NamedTuple):
    """Where the chain does not hold."""

    audit_id: int
    at: datetime
    why: str


class Verified(NamedTuple):
    """What a look over the whole audit found."""

    rows: int  # chained ones
    unchained: int  # of before there was a chain
    head: str  # hash of the newest row
    broken: Broken | None = None  # the first


def note(
    connection: Connection,
    at: datetime,
    case_manager_id: str,
    what: Audited,
    *,
    alert_id: str = "",
    enrollee_id: str = "",
    detail: str = "",
) -> None:
    """Write one row within a transaction."""
    _write(connection, at, case_manager_id, what, [(alert_id, enrollee_id)], detail)


def _write(
    connection: Connection, at: datetime, who: str, what: Audited, about: Sequence[tuple[str, str]], detail: str
) -> None:
    """One row for each (alert, enrollee) of `about`, after all that are there."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    last = _last(connection)
    rows: list[tuple[Any, ...]] = []
    for alert_id, enrollee_id in about:
        values = (to_us(at), who, str(what), alert_id, enrollee_id, detail.replace("\0", ""), ORIGIN.get())
        before, last = last, link(last, values)
        rows.append((*values, before, last))
    write_rows(connection, audit, _COLUMNS, rows)
    replaces = "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    write_rows(connection, facts, ("name", "value"), [(_HEAD, last)], replaces)


def _last(connection: Connection) -> str:
    """The hash that the next row follows: of the newest row, or of one that was taken off the end, so that the gap
    stays. A process of before there was a head may have written rows after it."""
    last, head, _ = connection.execute(_ENDS).one()
    if head and head != last:
        there = select(audit.c.audit_id).where(audit.c.hash == head).order_by(audit.c.audit_id.desc()).limit(1)
        if connection.scalar(there) is None:
            return str(head)
    return last or ""


def link(before: str, values: Sequence[str | int]) -> str:
    """The hash of a row with these values (in the order of the columns) after one with the hash `before`."""
    canonical = json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{before}{canonical}".encode()).hexdigest()


def name_of(people: Iterable[str]) -> str:
    """What a list of these people is called in a row."""
    return f"{_SET}{hashlib.sha256(json.dumps(sorted(people)).encode()).hexdigest()[:32]}"


class Audit:
    """The audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(
        self,
        case_manager_id: str,
        what: Audited,
        at: datetime,
        *,
        alert_ids: Sequence[str] = ("",),
        enrollee_id: str = "",
        detail: str = "",
    ) -> None:
        """Write that somebody read (or did) something, one row per alert."""
        with self._database.writing() as connection:
            _write(connection, at, case_manager_id, what, [(alert_id, enrollee_id) for alert_id in alert_ids], detail)

    def write_people(
        self, case_manager_id: str, what: Audited, at: datetime, enrollee_ids: Sequence[str], detail: str = ""
    ) -> None:
        """Write that somebody read about these people, one row for each; one without a person when there is none."""
        whose = list(dict.fromkeys(enrollee_ids)) or [""]
        with self._database.writing() as connection:
            _write(connection, at, case_manager_id, what, [("", enrollee_id) for enrollee_id in whose], detail)

    def write_list(
        self, case_manager_id: str, what: Audited, at: datetime, enrollee_ids: Iterable[str], detail: str
    ) -> None:
        """Write that somebody was shown a list of people: one row that names them as a set, which is kept once."""
        people = set(enrollee_ids)
        name = name_of(people) if people else ""
        with self._database.writing() as connection:
            rows = [(name, enrollee_id) for enrollee_id in sorted(people)]
            write_rows(connection, shown_sets, ("set_id", "enrollee_id"), rows, "ON CONFLICT DO NOTHING")
            _write(connection, at, case_manager_id, what, [(name, "")], detail)

    def read(
        self,
        *,
        alert_id: str = "",
        enrollee_id: str = "",
        case_manager_id: str = "",
        since: datetime | None = None,
        limit: int = 500,
    ) -> list[AuditRow]:
        """Newest first: about an alert, about an enrollee, by somebody, since a moment; or about everything.

        About an enrollee is also what names only a stay of theirs, or a list that they stood on.
        """
        wanted = select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
        which = _which(enrollee_id=enrollee_id, case_manager_id=case_manager_id, since=since)
        if alert_id:
            which.append(audit.c.alert_id == alert_id)
        with self._database.reading() as connection:
            return [_row(row) for row in connection.execute(wanted.where(*which))]

    def whole(
        self, *, enrollee_id: str = "", case_manager_id: str = "", since: datetime | None = None
    ) -> tuple[int, Iterator[AuditRow]]:
        """The same without a limit, oldest first and some thousand at a time: how many, and they."""
        which = _which(enrollee_id=enrollee_id, case_manager_id=case_manager_id, since=since)
        with self._database.reading() as connection:
            count = select(func.count(), func.max(audit.c.audit_id)).select_from(audit)
            rows, newest = connection.execute(count.where(*which)).one()
        return rows, map(_row, self._all(*which, audit.c.audit_id <= newest) if rows else ())

    def verify(self, noted: str = "") -> Verified:
        """Whether the chain holds from first row to last, and the lists of people its rows name are those that were
        shown; `noted`: a head of before that must still be in it."""
        with self._database.reading() as connection:
            newest, head, before = connection.execute(_ENDS).one()
        rows, unchained, last, missing = 0, 0, None, {noted, head or ""} - {""}
        changed_list = self._first_changed_list()
        for row in self._all():
            if not row.hash and last is None:
                unchained += 1
                continue
            values = [getattr(row, name) for name in _VALUES]
            why = ""
            if last is None and before not in (None, str(unchained)):
                why = "of the rows before it, which are in no chain, some were put in or taken out"
            elif row.prev_hash != (last or ""):
                why = "what stood before it is gone or changed"
            elif row.hash != link(row.prev_hash, values):
                why = "it was changed"
            elif row.audit_id == changed_list:
                why = "the list of people it names was changed"
            elif head and last == head != newest:
                why = "it was put in after the newest that is known"
            if why:
                return Verified(rows, unchained, last or "", Broken(row.audit_id, from_us(row.at_us), why))
            rows, last = rows + 1, row.hash
            missing.discard(row.hash)
        if missing:
            return Verified(rows, unchained, last or "", Broken(0, from_us(0), "rows at the end are gone"))
        return Verified(rows, unchained, last or "")

    def _first_changed_list(self) -> int | None:
        """The first row that names a list of people which is gone, or is not what its name was made of."""
        changed = [name for name, people in self._lists() if name != name_of(people)]
        there = exists(select(shown_sets.c.set_id).where(shown_sets.c.set_id == audit.c.alert_id))
        ones: list[ColumnElement[bool]] = [audit.c.alert_id.startswith(_SET) & ~there]
        ones += [audit.c.alert_id.in_(changed[at : at + _AT_ONCE]) for at in range(0, len(changed), _AT_ONCE)]
        with self._database.reading() as connection:
            firsts = [connection.scalar(select(func.min(audit.c.audit_id)).where(each)) for each in ones]
        return min((first for first in firsts if first is not None), default=None)

    def _lists(self) -> Iterator[tuple[str, list[str]]]:
        """Every list of people that was shown, by its name."""
        for name, rows in groupby(self._list_rows(), key=lambda row: str(row[0])):
            yield name, [row[1] for row in rows]

    def _list_rows(self) -> Iterator[Any]:
        key, after = tuple_(shown_sets.c.set_id, shown_sets.c.enrollee_id), ("", "")
        while True:
            wanted = select(shown_sets).where(key > after).order_by(*shown_sets.primary_key).limit(_AT_ONCE)
            with self._database.reading() as connection:
                rows = connection.execute(wanted).all()
            yield from rows
            if len(rows) < _AT_ONCE:
                return
            after = tuple(rows[-1])

    def _all(self, *which: ColumnElement[bool]) -> Iterator[Any]:
        """Every row, or those, oldest first, some thousand at a time."""
        after = _BEFORE_ALL
        while True:
            wanted = select(audit).where(audit.c.audit_id > after, *which).order_by(audit.c.audit_id).limit(_AT_ONCE)
            with self._database.reading() as connection:
                rows = connection.execute(wanted).all()
            yield from rows
            if len(rows) < _AT_ONCE:
                return
            after = rows[-1].audit_id


def _which(*, enrollee_id: str, case_manager_id: str, since: datetime | None) -> list[ColumnElement[bool]]:
    which: list[ColumnElement[bool]] = []
    if case_manager_id:
        which.append(audit.c.case_manager_id == case_manager_id)
    if enrollee_id:
        sets = select(shown_sets.c.set_id).where(shown_sets.c.enrollee_id == enrollee_id)
        stays = select(alerts.c.alert_id).where(alerts.c.enrollee_id == enrollee_id)
        by_name = (audit.c.enrollee_id == "") & or_(audit.c.alert_id.in_(sets), audit.c.alert_id.in_(stays))
        which.append(or_(audit.c.enrollee_id == enrollee_id, by_name))
    if since is not None:
        which.append(audit.c.at_us >= to_us(since))
    return which


def _row(row: Any) -> AuditRow:
    return AuditRow(
        from_us(row.at_us),
        row.case_manager_id,
        Audited(row.what),
        row.alert_id,
        row.enrollee_id,
        row.detail,
        row.origin,
    )
