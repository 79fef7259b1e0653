"""Acts for tests: one line each, written by somebody of the store's directory or of a small one of the rig's own."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from parsers.people import CaseManager, Role
from rules.following.acts import Act, ActKind
from rules.telling.directory import Directory
from streams.store import Store
from streams.store.acts import Again, Answered, Written

NURSES = Directory(
    case_managers=[CaseManager(case_manager_id=name, name=name, role=Role.NURSE) for name in ("ortiz", "lee", "chen")]
)


def act_of(by: str, kind: ActKind, version: int, at: datetime, **more: Any) -> Act:
    defaults = {"act_id": uuid4().hex, "happened_at": at, "role": Role.NURSE}
    return Act(by=by, kind=kind, version=version, recorded_at=at, **{**defaults, **more})


def act(store: Store, alert_id: str, by: str, kind: ActKind, version: int, at: datetime, **more: Any) -> Answered:
    """Write an act; the directory is the store's, or the rig's where that has nobody."""
    over = more.pop("over", None)
    directory = store.directory.read()
    return store.acts.write(
        act_of(by, kind, version, at, **more), alert_id, directory if directory.case_managers else NURSES, over=over
    )


def acted(store: Store, alert_id: str, by: str, kind: ActKind, version: int, at: datetime, **more: Any) -> Act:
    """The act itself, which must have been written now or before."""
    answer = act(store, alert_id, by, kind, version, at, **more)
    assert isinstance(answer, Written | Again), answer
    return answer.act


def undone(store: Store, alert_id: str, done: Act, at: datetime, by: str = "") -> Answered:
    return act(store, alert_id, by or done.by, ActKind.UNDO, done.version, at, supersedes=done.act_id)
