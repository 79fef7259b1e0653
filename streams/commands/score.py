"""A simulated state and what was told about it in; how right that was out.

What was told comes from the pure core run over the messages, or, with `--alerts`, from the alert records a running
pipeline sent (one JSON object a line, as on `toc.alerts.v1`). It is held against `truth.jsonl`
(`streams.invented.lives` names its rows) by the control id of the message that caused each version:

- **recall**: changes whose enrollee was told by one of the change's own messages;
- **precision**: versions that tell a change, a retraction, or something that may be told;
- **wrong person**: versions for an enrollee no row of that stay names; **duplicates**: further versions of one message
  for the same enrollee, and versions caused by a message's copy; **stays with two alerts**: for one enrollee;
- **retraction coverage**: of what was told and should be taken back, how much was, by the message that said so.
"""

import heapq
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console

from parsers.events import Event
from parsers.hl7.batches import split
from parsers.hl7.er7 import Peek, peek
from parsers.hl7.times import Moment, read_time
from parsers.people import Enrollee
from rules.deciding.case import Route
from rules.deciding.groups import Whose
from rules.decisions import Alert, Decision, Reason
from rules.policy.policy import Policy
from streams.commands.explain import Core, plain_route, read_panel, read_policy
from streams.commands.score_staff import print_staff, read_directory_of, read_staff, staff_month
from streams.commands.simulate import read_rows
from streams.invented.drafts import LOCAL
from streams.run.problems import Problem
from streams.run.rule_file import RuleFile
from streams.run.rule_files import POLICY
from streams.run.settings import load_settings

WORST: Final = 20
_FOLLOW_UP: Final = frozenset({Reason.FOLLOW_UP_ENDED, Reason.FOLLOW_UP_AGAIN})
_CHUNK_BYTES: Final = 1 << 20


class Told(NamedTuple):
    """One version of an alert, as far as a score needs it."""

    control_id: str
    alert_id: str
    enrollee: str
    action: str
    status: str


class _Truth:
    """The rows of truth.jsonl, by the messages they lean on."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self.changes: list[dict[str, Any]] = []
        self.retractions: list[dict[str, Any]] = []
        self.by_message: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.stay_of: dict[str, str] = {}
        self.named: dict[str, set[str]] = defaultdict(set)  # stay -> enrollees its rows name
        self.faults: dict[str, list[str]] = {}
        self.copies: set[str] = set()
        for row in rows:
            match row["row"]:
                case "stay":
                    self.stay_of |= dict.fromkeys(row["messages"], row["stay"])
                    self.faults[row["stay"]] = row["faults"]
                case "noise":
                    for control_id in row["by"]:
                        self.stay_of[control_id] = f"none of {row['enrollee']}"
                    self.named[f"none of {row['enrollee']}"].add(row["enrollee"])
                case "repeat":
                    self.copies |= set(row["by"])
                case kind:
                    if kind == "change":
                        self.changes.append(row)
                    elif kind == "retraction":
                        self.retractions.append(row)
                    self.named[row["stay"]].add(row["enrollee"])
                    for control_id in row["by"]:
                        self.by_message[control_id].append(row)


def messages_in_order(folder: Path) -> Iterator[bytes]:
    """The messages of all hospitals of a state, as they arrived."""
    yield from (data for _, _, data in heapq.merge(*(_arrivals(path, n) for n, path in enumerate(_files(folder)))))


def _files(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("*.hl7"))
    if not paths:
        raise Problem(f"{folder} holds no .hl7 files; `handoff simulate` writes them")
    return paths


def _arrivals(path: Path, number: int) -> Iterator[tuple[datetime, int, bytes]]:
    """A file is in order of arrival; a message overtaken on its way has an older MSH-7 than the one before it."""
    at = datetime.min.replace(tzinfo=UTC)
    with path.open("rb") as file:
        for item in split(iter(lambda: file.read(_CHUNK_BYTES), b"")):
            seen = peek(item.message)
            if isinstance(seen, Peek):
                fields = seen.header.split(seen.field_separator.encode("latin-1"), 7)
                sent = read_time(fields[6].decode("latin-1"), LOCAL.key) if len(fields) > 6 else None
                if isinstance(sent, Moment):
                    at = max(at, sent.at)
            yield at, number, item.message


def told_by_core(core: Core, data: bytes) -> list[Told]:
    """The versions the core makes of one message that tell what it says."""
    answer = core.step(data)
    versions = answer.get("alerts") or ([answer["alert"]] if answer["alert"] else [])
    return [
        Told(answer["control_id"], version["id"], version["enrollee"], version["action"], version["status"])
        for version in versions
        if _of_its_own(version)
    ]


class _Kept(Core):
    """Keeps every version it makes."""

    def __init__(self, panel: Iterable[Enrollee], *, policy: Policy, route: Route) -> None:
        super().__init__(panel, policy=policy, route=route)
        self.versions: list[Alert] = []

    def decide(self, event: Event, whose: Sequence[Whose]) -> Decision:
        decision = super().decide(event, whose)
        self.versions += decision.alerts
        return decision


def _of_its_own(version: dict[str, Any]) -> bool:
    """Whether the version tells what its message says, and not only what became of an earlier stay's clocks by it."""
    return not _FOLLOW_UP.issuperset(version.get("reasons") or ("",))


def told_by_pipeline(path: Path) -> Iterator[Told]:
    """Versions a running pipeline told: alert records or bare alerts, one a line. Raises `Problem`."""
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.strip():
                    record = json.loads(line)
                    alert = record.get("alert", record)
                    if _of_its_own(alert):
                        yield Told(
                            alert["control_id"],
                            alert["alert_id"],
                            alert["enrollee_id"],
                            alert["action"],
                            alert["status"],
                        )
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise Problem(f"{path} is not one alert record a line, as on toc.alerts.v1") from None


def score(truth_rows: Iterable[dict[str, Any]], alerts: Iterable[Told]) -> dict[str, Any]:
    """Everything but `messages` and `seconds` of the object `handoff score --json` prints."""
    truth = _Truth(truth_rows)
    seen: Counter[tuple[str, str]] = Counter()
    retracted: set[tuple[str, str]] = set()
    alerts_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    standing: dict[str, str] = {}
    worst: list[dict[str, str]] = []
    counts: Counter[str] = Counter()

    def blame(what: str, alert: Told, stay: str) -> None:
        counts[what] += 1
        if counts[what] <= WORST:
            worst.append({"what": what, "stay": stay, "enrollee": alert.enrollee, "message": alert.control_id})

    for alert in alerts:
        counts["versions"] += 1
        stay = truth.stay_of.get(alert.control_id, "")
        seen[alert.control_id, alert.enrollee] += 1
        if stay and not stay.startswith("none"):
            alerts_of[stay, alert.enrollee].add(alert.alert_id)
        standing[alert.alert_id] = alert.status
        if alert.action == "retract":
            retracted.add((alert.control_id, alert.enrollee))
        rows = truth.by_message.get(alert.control_id, ())
        if alert.control_id in truth.copies or seen[alert.control_id, alert.enrollee] > 1:
            blame("duplicate", alert, stay)
        elif alert.enrollee not in truth.named.get(stay, ()):
            blame("wrong_person", alert, stay)
        elif any(row["enrollee"] == alert.enrollee for row in rows):
            counts["right"] += 1
        else:
            blame("needless", alert, stay)

    by_kind: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    by_fault: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    hit_stays: set[tuple[str, str]] = set()
    for change in truth.changes:
        hit = any(seen[control_id, change["enrollee"]] for control_id in change["by"])
        if hit:
            hit_stays.add((change["stay"], change["enrollee"]))
        else:
            blame(f"missed {change['what']}", Told(change["by"][0], "", change["enrollee"], "", ""), change["stay"])
        for tally in (by_kind[change["what"]], *(by_fault[fault] for fault in change["faults"] or ["none"])):
            tally[0] += 1
            tally[1] += hit
    due = [row for row in truth.retractions if (row["stay"], row["enrollee"]) in hit_stays]
    covered = 0
    for row in due:
        done = any(_took_back(control_id, row, retracted, seen) for control_id in row["by"])
        covered += done
        if not done:
            blame(f"not taken back: {row['why']}", Told(row["by"][0], "", row["enrollee"], "", ""), row["stay"])
    doubled = [key for key, ids in alerts_of.items() if len(ids) > 1]
    for stay, enrollee in doubled[:WORST]:
        worst.append({"what": "two alerts", "stay": stay, "enrollee": enrollee, "message": ""})
    expected = len(truth.changes)
    hits = sum(tally[1] for tally in by_kind.values())
    return {
        "expected": expected,
        "alerts": counts["versions"],
        "recall": _share(hits, expected),
        "precision": _share(counts["right"], counts["versions"]),
        "wrong_person": counts["wrong_person"],
        "duplicates": counts["duplicate"],
        "stays_with_two_alerts": len(doubled),
        "retraction_coverage": _share(covered, len(due)),
        "by_kind": {name: {"expected": n, "recall": _share(h, n)} for name, (n, h) in sorted(by_kind.items())},
        "by_fault": {name: {"expected": n, "recall": _share(h, n)} for name, (n, h) in sorted(by_fault.items())},
        "needless": counts["needless"],
        "retractions": len(due),
        "worst": worst,
    }


def _took_back(
    control_id: str, row: dict[str, Any], retracted: set[tuple[str, str]], seen: Counter[tuple[str, str]]
) -> bool:
    """A discharge is taken back by a version that says so; everything else by a retraction."""
    key = (control_id, row["enrollee"])
    return key in retracted or (row["why"] == "cancelled_discharge" and seen[key] > 0)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 1.0


def run_score(
    folder: Path, alerts: Path | None = None, policy: Path | None = None, *, staff: bool = False
) -> dict[str, Any]:
    """`handoff score`: `{"messages", "expected", "alerts", "recall", "precision", "wrong_person", "duplicates",
    "stays_with_two_alerts", "retraction_coverage", "by_kind", "by_fault", "seconds", …}`; shares from 0 to 1. With
    `staff` also what `score_staff` says.

    Raises `Problem` when the folder holds no simulated state.
    """
    started = time.perf_counter()
    truth = read_rows(folder / "truth.jsonl")
    if alerts:
        if staff:
            raise Problem("--staff follows what the core tells: leave out --alerts")
        messages = sum(1 for _ in messages_in_order(folder))
        result = score(truth, told_by_pipeline(alerts))
    else:
        people = read_panel(folder / "panel.csv")
        directory = read_directory_of(folder) if staff else None
        core = _Kept(
            people,
            policy=read_policy(policy) if policy else RuleFile(POLICY, load_settings()).current(),
            route=plain_route(directory),
        )
        versions: list[Told] = []
        messages = 0
        for data in messages_in_order(folder):
            messages += 1
            versions += told_by_core(core, data)
        result = score(truth, versions)
        if directory:
            practices = {person.enrollee_id: person.practice_id for person in people}
            result["staff"] = staff_month(core.versions, read_staff(folder), directory, core.policy, practices)
    return {"messages": messages, **result, "seconds": round(time.perf_counter() - started, 3)}


def print_score(result: dict[str, Any], as_json: bool = False) -> None:
    """The result for a person, or as one JSON object."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        return
    out = Console(highlight=False, soft_wrap=True)
    out.print(
        f"{result['messages']:,} messages, {result['expected']:,} changes worth telling, "
        f"{result['alerts']:,} versions told in {result['seconds']:.1f} s"
    )
    for name in ("recall", "precision", "retraction_coverage"):
        out.print(f"  {name.replace('_', ' '):24} {result[name]:8.4%}")
    for name in ("wrong_person", "duplicates", "stays_with_two_alerts", "needless"):
        out.print(f"  {name.replace('_', ' '):24} {result[name]:8,}")
    for title in ("by_kind", "by_fault"):
        out.print(title.replace("_", " "))
        for name, scored in result[title].items():
            out.print(f"  {name.replace('_', ' '):24} {scored['recall']:8.4%} of {scored['expected']:,}")
    if staff := result.get("staff"):
        print_staff(staff, out)
    if result["worst"]:
        out.print("look at")
        for fault in result["worst"]:
            out.print(
                f"  {fault['what']}: stay {fault['stay']}, enrollee {fault['enrollee']}, message {fault['message']}"
            )
