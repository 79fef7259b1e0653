"""What people do about a stay: one act in, written once or the reason why not; the acts of stays and people out.

Acts are append-only. What is computed from them (state, holder, clocks) is never stored; `alerts.acknowledged_version`
and `seen` only keep what lists are counted by. Acts stay with the enrollee they were done to; those of a stay that was
merged into another one belong to that one's story too, as done on none of its versions.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, insert, select, update

from parsers.people import CaseManager
from rules.decisions import Alert, Stay
from rules.following.acts import Act, ActFault, ActKind, Fault, Word, effective, faults, may_replace, word
from rules.following.allowed import covers_of, may_write, relation
from rules.following.holder import Holding
from rules.following.loop import Loop
from rules.following.sides import Side, holding_of, side_of
from rules.following.wishes import Wishes, wishes
from rules.policy.policy import Policy
from rules.telling.directory import Directory
from streams.run.metrics import DELAY, Delay
from streams.store.audit import Audited, note
from streams.store.database import Database, next_values, rows_among, write_rows
from streams.store.loops import loops_of, versions_of
from streams.store.nudges import stop_mail
from streams.store.panel_rows import enrollee_on, load_enrollees
from streams.store.seen import looked_at, see
from streams.store.tables import acts, alert_owners, alert_versions, alerts, from_us, to_us
from streams.store.told import tell_also

ASIDE: Final = frozenset(
    {
        ActKind.NOTED,
        ActKind.NOTE,
        ActKind.CONTACT_WISHES,
        ActKind.REMIND,
        ActKind.ASK,
        ActKind.ANSWER,
        ActKind.UNDO,
    }
)  # nobody is spared a question by them
_CHANGES_HANDS: Final = frozenset({ActKind.TAKE, ActKind.ASSIGN})
_TAKES: Final = frozenset({ActKind.TAKE, ActKind.ACCEPT, ActKind.ASSIGN})
_NOT_COMPARED: Final = {"recorded_at", "happened_at", "role"}  # what a repetition may say anew


class Written(NamedTuple):
    """It stands in the story, at this place in the stream of commits."""

    position: int
    act: Act


class Again(NamedTuple):
    """It stood there before; nothing was added."""

    position: int
    act: Act


class Refused(NamedTuple):
    """Nothing was written, because of these."""

    faults: tuple[Fault, ...]


class Held(NamedTuple):
    """Somebody else has the stay; whoever wants it says first that they take it from this person."""

    by: str


class Absent(NamedTuple):
    """There is no such stay."""


Answered = Written | Again | Refused | Held | Absent


class Acts:
    """Writes and reads acts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, act: Act, alert_id: str, directory: Directory, *, over: str | None = None) -> Answered:
        """Write one act in one transaction with its audit row and its place among the changes.

        `over` names the holder the person agreed to take the stay from ("": nobody); `None` asks nothing. The role is
        the directory's. Raises `Unavailable`.
        """
        person = directory.person(act.by)
        if person is None:
            return Refused((Fault(ActFault.NOT_ALLOWED, "by"),))
        act = act.model_copy(update={"role": person.role})
        with self._database.writing() as connection:
            alert = _newest(connection, alert_id)
            if (there := _by_id(connection, act.act_id)) is not None:
                return _again(there, act, alert_id)
            if alert is None:
                return Absent()
            before = acts_of(connection, [alert_id])[alert_id]
            done_to = _done_to(connection, act, alert)
            theirs = before if done_to == alert.enrollee_id else _about(connection, alert_id, done_to)
            staff = directory.case_managers.keys() | {person.case_manager_id}
            held = holding_of(side_of(person), _owners(alert), before, staff, directory.at_plans)
            if wrong := _faults(act, alert, theirs):
                return Refused(wrong)
            if wrong := _strangers(act, person, alert, held, directory):
                return Refused(wrong)
            if not _may(connection, person, act, alert, held, directory):
                return Refused((Fault(ActFault.NOT_ALLOWED, "kind"),))
            if act.kind is ActKind.NOTED and (done := _noted(act, theirs)):
                return Again(_position(connection, done.act_id), done)
            if act.kind in _CHANGES_HANDS and over is not None and held.holder not in {"", act.by, act.for_id, over}:
                return Held(held.holder)
            position = _write(connection, act, alert, done_to, theirs)
            if done_to == alert.enrollee_id:
                each = (holding_of(side, _owners(alert), (*theirs, act), staff, directory.at_plans) for side in Side)
                _put_before(connection, alert, frozenset[str]().union(*(side.on_lists_of for side in each)))
            return Written(position, act)

    def of_stay(self, alert_id: str) -> tuple[Act, ...]:
        """The acts of one stay as they were written, oldest first, with those taken back."""
        return self.of_stays([alert_id]).get(alert_id, ())

    def of_stays(self, alert_ids: Sequence[str]) -> dict[str, tuple[Act, ...]]:
        """The same of many."""
        with self._database.reading() as connection:
            return acts_of(connection, alert_ids)

    def of_person(self, enrollee_id: str) -> tuple[tuple[str, Act], ...]:
        """What was done about one enrollee, oldest first, with the id of the alert it was done about."""
        wanted = select(acts.c.alert_id, acts.c.document).where(acts.c.enrollee_id == enrollee_id)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(acts.c.position)).all()
        return tuple((alert_id, Act.read(document)) for alert_id, document in rows)

    def last_of(self, case_manager_ids: Sequence[str]) -> dict[str, datetime]:
        """When each of these people last did something about any stay; nothing for who never did."""
        statement = "SELECT case_manager_id, max(recorded_us) FROM acts WHERE case_manager_id IN :among GROUP BY 1"
        with self._database.reading() as connection:
            return {who: from_us(at) for who, at in rows_among(connection, statement, list(case_manager_ids))}

    def wishes(self, enrollee_ids: Sequence[str]) -> dict[str, Wishes]:
        """How each of these people wants to be reached; an entry for each."""
        statement = (
            "SELECT enrollee_id, document FROM acts WHERE enrollee_id IN :among AND kind IN ('contact_wishes', 'undo')"
        )
        said: dict[str, list[Act]] = {enrollee_id: [] for enrollee_id in enrollee_ids}
        with self._database.reading() as connection:
            for enrollee_id, document in rows_among(connection, statement, list(said)):
                said[enrollee_id].append(Act.read(document))
        return {enrollee_id: wishes(acts_of_one) for enrollee_id, acts_of_one in said.items()}

    def at(self, act_id: str) -> tuple[str, Act] | None:
        """One act, with the id of the alert it was done about."""
        with self._database.reading() as connection:
            row = _by_id(connection, act_id)
        return (row.alert_id, Act.read(row.document)) if row is not None else None

    def loops(
        self,
        alert_ids: Sequence[str],
        directory: Directory,
        policy: Policy,
        now: datetime,
        side: Side = Side.HOME,
    ) -> dict[str, Loop]:
        """What the follow-up of each of these stays comes to at `now`, as one side has it."""
        with self._database.reading() as connection:
            done = acts_of(connection, alert_ids)
            return loops_of(connection, versions_of(connection, list(done)), done, directory, policy, now, side)


def acts_of(connection: Connection, alert_ids: Sequence[str]) -> dict[str, tuple[Act, ...]]:
    """The acts of stays as written, oldest first; an entry for every alert there is."""
    enrollees = dict(
        rows_among(connection, "SELECT alert_id, enrollee_id FROM alerts WHERE alert_id IN :among", list(alert_ids))
    )
    into = _merged_into(connection, enrollees)
    by_alert: dict[str, list[Act]] = {alert_id: [] for alert_id in enrollees}
    statement = "SELECT alert_id, enrollee_id, document FROM acts WHERE alert_id IN :among ORDER BY position"
    for alert_id, enrollee_id, document in rows_among(connection, statement, [*enrollees, *into]):
        act = Act.read(document)
        if enrollees.get(alert_id) == enrollee_id:
            by_alert[alert_id].append(act)
        winner = into.get(alert_id)
        if winner is not None and enrollees[winner] == enrollee_id:
            by_alert[winner].append(act.model_copy(update={"version": 0}))
    return {alert_id: tuple(done) for alert_id, done in by_alert.items()}


def _merged_into(connection: Connection, enrollees: dict[str, str]) -> dict[str, str]:
    """Stays that were merged into one of `enrollees`' keys, by any number of steps, with which."""
    statement = "SELECT document FROM stays WHERE status = 'entered-in-error' AND enrollee_id IN :among"
    gone = [Stay.read(document) for (document,) in rows_among(connection, statement, list(set(enrollees.values())))]
    after = {stay.stay_id: stay.merged_into for stay in gone if stay.merged_into}
    survivors = {}
    for stay_id, survivor in after.items():
        end, trail = survivor, {stay_id}
        while end in after and end not in trail:
            trail.add(end)
            end = after[end]
        if end in enrollees:
            survivors[stay_id] = end
    return survivors


def _by_id(connection: Connection, act_id: str) -> Any:
    return connection.execute(select(acts).where(acts.c.act_id == act_id)).one_or_none()


def _owners(alert: Alert) -> list[str]:
    return [owner.case_manager_id for owner in alert.owners]


def _put_before(connection: Connection, alert: Alert, people: Collection[str]) -> None:
    """The stay is on the lists of these people, whether or not they were told before; it reaches them when the
    hospital takes it back."""
    tell_also(connection, alert, sorted(people))
    this = alert_owners.c.alert_id == alert.alert_id
    before = set(connection.scalars(select(alert_owners.c.case_manager_id).where(this, alert_owners.c.given == 1)))
    if over := sorted(before.difference(people)):
        connection.execute(update(alert_owners).where(this, alert_owners.c.case_manager_id.in_(over)).values(given=0))
    write_rows(
        connection,
        alert_owners,
        ("case_manager_id", "alert_id", "because", "owning", "given"),
        [(person, alert.alert_id, "", 0, 1) for person in sorted(set(people) - before)],
        "ON CONFLICT (case_manager_id, alert_id) DO UPDATE SET given = 1",
    )


def _position(connection: Connection, act_id: str) -> int:
    return int(connection.scalar(select(acts.c.position).where(acts.c.act_id == act_id)) or 0)


def _again(row: Any, act: Act, alert_id: str) -> Answered:
    there = Act.read(row.document)
    same = there.model_dump(exclude=_NOT_COMPARED) == act.model_dump(exclude=_NOT_COMPARED)
    if not same or row.alert_id != alert_id:
        return Refused((Fault(ActFault.ACT_ID_TAKEN, "act_id"),))
    return Again(row.position, there)


def _newest(connection: Connection, alert_id: str) -> Alert | None:
    wanted = select(alerts.c.document).where(alerts.c.alert_id == alert_id).with_for_update()
    document = connection.scalar(wanted)
    return Alert.read(document) if document is not None else None


def _done_to(connection: Connection, act: Act, alert: Alert) -> str:
    """Whom the version that was before the person was about: an act sent late, after the stay turned out to be another
    person's, was done to the former."""
    if not 1 <= act.version < alert.version:
        return alert.enrollee_id
    wanted = select(alert_versions.c.document).where(
        alert_versions.c.alert_id == alert.alert_id, alert_versions.c.version == act.version
    )
    document = connection.scalar(wanted)
    return Alert.read(document).enrollee_id if document is not None else alert.enrollee_id


def _about(connection: Connection, alert_id: str, enrollee_id: str) -> tuple[Act, ...]:
    """What was done to one person about a stay that is another's now, as it was written."""
    wanted = select(acts.c.document).where(acts.c.alert_id == alert_id, acts.c.enrollee_id == enrollee_id)
    return tuple(Act.read(document) for document in connection.scalars(wanted.order_by(acts.c.position)))


def _may(
    connection: Connection, person: CaseManager, act: Act, alert: Alert, held: Holding, directory: Directory
) -> bool:
    people, _ = load_enrollees(connection, [alert.enrollee_id], None)
    row = people.get(alert.enrollee_id)
    enrollee = enrollee_on(row, (), None) if row else None
    return bool(may_write(person, act.kind, relation(person, alert, enrollee, held, directory, act.recorded_at)))


def _strangers(act: Act, person: CaseManager, alert: Alert, held: Holding, directory: Directory) -> tuple[Fault, ...]:
    """People an act names that it may not name."""
    strangers = []
    if act.for_id and directory.person(act.for_id) is None:
        strangers.append(Fault(ActFault.NO_SUCH_PERSON, "for_id"))
    if act.on_behalf_of and act.on_behalf_of not in covers_of(person, alert, held, directory, act.recorded_at):
        strangers.append(Fault(ActFault.NOT_ALLOWED, "on_behalf_of"))
    return tuple(strangers)


def _faults(act: Act, alert: Alert, before: Sequence[Act]) -> tuple[Fault, ...]:
    began = (
        alert.started_at if alert.started_at and alert.started_at <= act.recorded_at else None
    )  # a planned one did not
    wrong = [*faults(act, began)]
    if not 1 <= act.version <= alert.version:
        wrong.append(Fault(ActFault.NO_SUCH_VERSION, "version"))
    replaced = may_replace(act, before)
    gone = act.supersedes and act.supersedes not in {earlier.act_id for earlier in effective(before)}
    if replaced is None and gone:
        replaced = Fault(ActFault.NO_SUCH_ACT, "supersedes")
    return (*wrong, replaced) if replaced is not None else tuple(wrong)


def _noted(act: Act, before: Sequence[Act]) -> Act | None:
    """That the same person noted the same version before, which counts still: noting it again changes nothing."""
    same = (
        earlier
        for earlier in effective(before)
        if (earlier.kind, earlier.by, earlier.version) == (act.kind, act.by, act.version)
    )
    return next(same, None) if not act.supersedes else None


def _observe(connection: Connection, act: Act, alert_id: str, before: Sequence[Act]) -> None:
    """How long people took until somebody had the stay, and until somebody was reached; each at its first time."""
    if act.supersedes:
        return
    earlier = effective(before)
    taken_at = next((took.happened_at for took in earlier if took.kind in _TAKES), None)
    if act.kind in _TAKES and taken_at is None:
        part = Delay.SEEN_TO_TAKEN
    elif word(act) is Word.CONTACT and not any(word(called) is Word.CONTACT for called in earlier):
        part = Delay.TAKEN_TO_REACHED
    else:
        return
    since = taken_at or looked_at(connection, act.by, alert_id) or act.recorded_at
    DELAY.labels(part).observe(max(0.0, (act.happened_at - since).total_seconds()))


def _write(connection: Connection, act: Act, alert: Alert, done_to: str, before: Sequence[Act]) -> int:
    """`before`: what was done to the same person about the stay."""
    note(
        connection,
        act.recorded_at,
        act.by,
        Audited.UNDID if act.kind is ActKind.UNDO else Audited.ACTED,
        alert_id=alert.alert_id,
        enrollee_id=done_to,
        detail=next((str(earlier.kind) for earlier in before if earlier.act_id == act.supersedes), str(act.kind)),
    )
    if done_to == alert.enrollee_id:
        noted = max((noting.version for noting in effective((*before, act)) if noting.kind is ActKind.NOTED), default=0)
        connection.execute(update(alerts).where(alerts.c.alert_id == alert.alert_id).values(acknowledged_version=noted))
    if act.kind not in ASIDE:
        stop_mail(connection, alert.alert_id, act.recorded_at)
    _observe(connection, act, alert.alert_id, before)
    if act.kind is not ActKind.UNDO:
        see(connection, act.by, {alert.alert_id: act.version}, act.recorded_at)
    position = next_values(connection, "position", 1)[0]
    connection.execute(
        insert(acts).values(
            act_id=act.act_id,
            position=position,
            alert_id=alert.alert_id,
            enrollee_id=done_to,
            kind=str(act.kind),
            case_manager_id=act.by,
            version=act.version,
            happened_us=to_us(act.happened_at),
            recorded_us=to_us(act.recorded_at),
            document=act.model_dump_json(),
        )
    )
    return position
