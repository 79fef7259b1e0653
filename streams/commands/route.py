"""`handoff route ENROLLEE KIND`: who would be told about an enrollee at a time, and why, out of the store's directory.

JSON: `{"enrollee_id", "kind", "at", "owners": [{"case_manager_id", "name", "role", "because"}], "explanation"}`.
"""

from datetime import UTC, datetime

from rich.console import Console

from rules.decisions import AlertKind, Reason
from streams.commands.printing import print_json
from streams.run.problems import Problem
from streams.run.rule_file import RuleFile
from streams.run.rule_files import ROUTES
from streams.run.settings import Settings
from streams.store.opening import office_zone, open_store
from streams.store.panel_rows import enrollee_on, load_enrollees


def run_route(
    settings: Settings,
    enrollee_id: str,
    kind: str,
    *,
    at: datetime | None = None,
    reasons: tuple[str, ...] = (),
    explain: bool = False,
    as_json: bool = False,
) -> int:
    """Prints the owners, with `explain` also why; a time without an offset is local. 0 when the enrollee is known."""
    if kind not in set(AlertKind):
        raise Problem(f"there is no such kind of alert; kinds are {', '.join(AlertKind)}")
    if unknown := set(reasons) - set(Reason):
        raise Problem(f"{len(unknown)} of the reasons are not known; reasons are {', '.join(Reason)}")
    when = at or datetime.now(UTC)
    when = when.replace(tzinfo=office_zone(settings)) if when.tzinfo is None else when
    routes = RuleFile(ROUTES, settings).current()
    day = when.astimezone(office_zone(settings)).date()
    with open_store(settings) as store:
        directory = store.directory.read()
        with store.database.reading() as connection:
            lines, homes = load_enrollees(connection, [enrollee_id], day)
    line = lines.get(enrollee_id)
    enrollee = enrollee_on(line, homes.get(enrollee_id, ()), day) if line else None
    routed = routes.route(directory, enrollee, AlertKind(kind), frozenset(map(Reason, reasons)), when)
    people = [(owner, directory.person(owner.case_manager_id)) for owner in routed.owners]
    if as_json:
        print_json(
            {
                "enrollee_id": enrollee_id,
                "on_panel": enrollee is not None,
                "kind": kind,
                "at": when.astimezone(UTC).isoformat(),
                "owners": [
                    {
                        "case_manager_id": owner.case_manager_id,
                        "name": person.name if person else "",
                        "role": person.role if person else "",
                        "because": owner.because,
                    }
                    for owner, person in people
                ],
                "explanation": routed.explanation,
            }
        )
        return 0 if enrollee else 1
    out = Console(highlight=False, soft_wrap=True)
    if enrollee is None:
        out.print("nobody with that enrollee_id is on the panel", markup=False)
    for owner, person in people:
        name = person.name if person else owner.case_manager_id
        out.print(f"{name} ({owner.case_manager_id}), by the route {owner.because}", markup=False)
    if explain:
        out.print(routed.explanation, markup=False)
    return 0 if enrollee else 1
