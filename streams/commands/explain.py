"""Messages in, in order; for each, what we understood of it and what would come of it, out. No broker, no store.

`Core` is the pure core over a history kept in memory. Without a panel every patient counts as enrolled, under the
identifiers the hospital uses, so that an analyst sees everything a feed would come to. Time stands where the messages
put it: a message is decided as if it had come when it was recorded, so the same file always explains the same.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from parsers.events import Event
from parsers.feeds import PLAIN, Feed
from parsers.files.panel import PanelReader
from parsers.files.panel_columns import PanelRow, enrollee_of
from parsers.hl7.adt import read_adt
from parsers.hl7.batches import split
from parsers.hl7.er7 import peek
from parsers.hl7.fields import read_fields
from parsers.outcomes import NoTransition, Reject, TestMessage
from parsers.people import Enrollee
from rules.deciding.case import Route, World
from rules.deciding.decide import decide
from rules.deciding.groups import Whose, unsure
from rules.deciding.history import Remembered, owner_of
from rules.deciding.late_enrollment import worth_keeping
from rules.deciding.workspace import suppressed
from rules.decisions import Alert, AlertKind, Decision, Reason
from rules.policy.policy import Policy, default_policy
from rules.telling.directory import Directory
from rules.telling.routes import Routed, Routes
from rules.telling.routes_file import default_routes
from streams.commands.whose import Everyone, PanelFile
from streams.run.problems import Problem
from streams.run.rule_file import RuleFile, load_file
from streams.run.rule_files import POLICY, ROUTES
from streams.run.settings import load_settings

_CHUNK_BYTES: Final = 1 << 20
_KEPT_FOR: Final = timedelta(days=14)  # as the worker keeps them unless HANDOFF_UNMATCHED_DAYS says otherwise
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_KNOWN: Final = datetime(9990, 1, 1, tzinfo=UTC)  # when a file's message came: no bound for the times in it


class Core:
    """The pure core over messages in order, with everything it has to remember in memory."""

    def __init__(
        self,
        panel: Iterable[Enrollee] | None = None,
        *,
        policy: Policy | None = None,
        test: bool = False,
        fields: bool = False,
        feed_for: Callable[[str, str], Feed] = lambda _application, _facility: PLAIN,
        route: Route | None = None,
    ) -> None:
        self._people = Everyone() if panel is None else PanelFile(panel)
        self.policy = policy or default_policy()
        self.route = route or plain_route()
        self._test = test
        self._fields = fields
        self._feed_for = feed_for
        self.remembered = Remembered(_KEPT_FOR)
        self.n = 0

    def step(self, data: bytes, reject: Reject | None = None) -> dict[str, Any]:
        """One message; `reject` when whoever cut the file found it wanting. The object of `handoff explain --json`."""
        self.n += 1
        glance = peek(data) if data else None
        known = glance if glance is not None and not isinstance(glance, Reject) else None
        answer: dict[str, Any] = {
            "n": self.n,
            "control_id": known.control_id if known else "",
            "trigger": known.trigger if known else "",
            "ending": "",
            "code": "",
            "place": "",
            "event": None,
            "stay": None,
            "match": None,
            "decision": None,
            "alert": None,
        }
        if self._fields:
            answer["fields"] = read_fields(data)
        reading = reject or read_adt(
            data,
            self._feed_for,
            message_id=f"{self.n:032x}",
            received_at=_NOT_KNOWN,
            test_mode=self._test,
            glance=known,
        )
        match reading:
            case Reject():
                answer |= {"ending": "reject", "code": reading.code, "place": reading.place}
            case NoTransition():
                answer |= {"ending": "no_transition", "trigger": reading.trigger}
            case TestMessage():
                answer |= {"ending": "test_message", "trigger": reading.trigger}
            case Event():
                event = reading.model_copy(update={"received_at": max(reading.recorded_at, reading.occurred_at)})
                answer |= self._event(event)
        return answer

    def _event(self, event: Event) -> dict[str, Any]:
        day = event.occurred_at.astimezone(self.policy.tz).date()
        parts = event.parts()
        candidates = [self._people.find(part, day) for part in parts]
        whose = [(unsure(part, candidate), former) for part, (candidate, former) in zip(parts, candidates, strict=True)]
        match = whose[0][0]
        decision = self.decide(event, whose)
        alert = _foremost(decision)
        answer: dict[str, Any] = {
            "trigger": event.trigger,
            "ending": "duplicate" if decision.duplicate else "event",
            "event": {
                "kind": event.kind,
                "facility": event.facility,
                "occurred_at": event.occurred_at.isoformat(),
                "recorded_at": event.recorded_at.isoformat(),
                "class": (event.visit and event.visit.encounter_class) or "",
                "notes": [{"finding": note.finding, "place": note.place} for note in event.notes],
            },
            "stay": decision.stay_id or None,
            "match": {"grade": match.grade, "enrollee": match.enrollee_id, "evidence": dict(match.evidence)},
            "decision": {
                "action": decision.action,
                "reasons": list(decision.reasons),
            },
            "alert": _shown(alert) if alert else None,
        }
        if len(decision.alerts) > 1:
            answer["alerts"] = [_shown(version) for version in decision.alerts]
        return answer

    def decide(self, event: Event, whose: Sequence[Whose]) -> Decision:
        """What an event about these people comes to; of one about nobody nothing is decided, but it may be kept."""
        if owner_of(whose) is None:
            if worth_keeping(event):
                self.remembered.keep(event)
            return suppressed(Reason.NOT_ON_PANEL)
        history = self.remembered.history(event, whose, self._people.get)
        world = World(self.policy, self.route, event.received_at)
        (match, prior), *further = whose
        decision = decide(event, match, prior, history, world, further=further)
        learned = self.remembered.take(event, whose, decision)
        self._people.learn(learned.said)
        self._people.learn(learned.shown)
        return decision


def plain_route(directory: Directory | None = None, routes: Routes | None = None) -> Route:
    """Routes, by default the shipped ones, over a directory, by default one without people: the central office's, which
    stands for whoever carries the practice."""
    routes, known = routes or default_routes(), directory or Directory()

    def route(enrollee: Enrollee | None, kind: AlertKind, reasons: frozenset[Reason], at: datetime) -> Routed:
        routed = routes.route(known, enrollee, kind, reasons, at)
        return routed if directory else routed._replace(to_practice=True)

    return route


def read_panel(path: Path) -> list[Enrollee]:
    """The people of a panel file; lines that cannot be used are counted on standard error. Raises `Problem`."""
    reader = PanelReader(datetime.now(default_policy().tz).date())
    people: list[Enrollee] = []
    rejected = 0
    with path.open("rb") as file:
        for row in reader.read(iter(lambda: file.read(_CHUNK_BYTES), b"")):
            if isinstance(row, PanelRow):
                people.append(enrollee_of(row))
            else:
                rejected += 1
    if reader.faults:
        raise Problem("\n".join(f"{path.name}: {fault.reason}" for fault in reader.faults))
    if rejected:
        sys.stderr.write(f"{path.name}: {rejected} lines cannot be used; `handoff panel check` names them\n")
    return people


def read_policy(path: Path) -> Policy:
    """The policy of a file. Raises `Problem` naming every fault of it."""
    return load_file(POLICY, path)


def explain_files(core: Core, files: Iterable[Path]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each message of the files with its object, as the files are read."""
    for path in files:
        with path.open("rb") as file:
            for item in split(iter(lambda file=file: file.read(_CHUNK_BYTES), b"")):  # type: ignore[misc]
                yield item.message, core.step(item.message, item.reject)


def run_explain(
    files: list[Path],
    panel: Path | None = None,
    policy: Path | None = None,
    fields: bool = False,
    test: bool = False,
    as_json: bool = False,
) -> int:
    """`handoff explain`. Exit status 0 whenever every message got an ending."""
    settings = load_settings()
    core = Core(
        read_panel(panel) if panel else None,
        policy=read_policy(policy) if policy else RuleFile(POLICY, settings).current(),
        test=test or settings.test_mode,
        fields=fields,
        feed_for=settings.feed_for,
        route=plain_route(routes=RuleFile(ROUTES, settings).current()),
    )
    steps = explain_files(core, files)
    if as_json:
        for _, answer in steps:
            sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        return 0
    from streams.commands.explain_page import print_page

    print_page(steps)
    return 0


def _foremost(decision: Decision) -> Alert | None:
    """The version that carries the decision's action."""
    return next((alert for alert in decision.alerts if alert.action is decision.action), None)


def _shown(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.alert_id,
        "version": alert.version,
        "action": alert.action,
        "kind": alert.kind,
        "class": alert.encounter_class,
        "status": alert.status,
        "priority": alert.priority,
        "enrollee": alert.enrollee_id,
        "owners": [owner.case_manager_id for owner in alert.owners],
        "told": list(alert.told),
        "rule": alert.rule,
        "route": alert.route,
        "reasons": list(alert.reasons),
        "changes": [change.model_dump() for change in alert.changes],
        "clocks": [
            {
                "kind": clock.kind,
                "status": clock.status,
                "starts_at": clock.starts_at.isoformat(),
                "due_at": clock.due_at.isoformat(),
                "stopped_by": clock.stopped_by,
                "met_at": clock.met_at.isoformat() if clock.met_at else "",
                "hours_lost": clock.hours_lost,
            }
            for clock in alert.clocks
        ],
    }
