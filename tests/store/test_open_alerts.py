"""What is open is said once: the predicates and their SQL agree on every row there can be."""

from itertools import product

import pytest
from sqlalchemy import insert, select

from rules.decisions import Action, StayStatus
from rules.stays.open import asks, goes_on, is_awaited, is_void
from rules.stays.table import DEAD, OPEN
from streams.store import Store
from streams.store.open_alerts import ASKS, ASKS_ANYBODY, GOES_ON, IS_AWAITED, STAY_GOES_ON, STAY_HAPPENED
from streams.store.tables import alerts, seen, stays
from tests.rigs.store import store, store_url

__all__ = ["store", "store_url"]
ROWS = list(product(StayStatus, Action, (1, 3), (0, 1, 2, 3), (None, 1, 2, 3)))


def test_sql_says_what_the_rules_say(store: Store) -> None:
    with store.database.writing() as connection:
        for number, (status, action, version, acknowledged, looked) in enumerate(ROWS):
            of = {"alert_id": str(number), "version": version}
            rest = {"position": number, "decided_us": 0, "status": status, "action": action}
            connection.execute(insert(alerts).values(**of, **rest, acknowledged_version=acknowledged))
            if looked is not None:
                connection.execute(
                    insert(seen).values(alert_id=str(number), case_manager_id="ortiz", version=looked, seen_us=0)
                )
    answers = select(alerts.c.alert_id, GOES_ON, IS_AWAITED, ASKS, ASKS_ANYBODY).outerjoin(
        seen, seen.c.alert_id == alerts.c.alert_id
    )
    with store.database.reading() as connection:
        by_sql = {int(row[0]): tuple(map(bool, row[1:])) for row in connection.execute(answers)}
    for number, (status, action, version, acknowledged, looked) in enumerate(ROWS):
        asking = asks(action, status, version, acknowledged=acknowledged, seen=looked or 0)
        said = (goes_on(action, status), is_awaited(action, status), asking, asking and action is not Action.RETRACT)
        assert by_sql[number] == said, ROWS[number]


def test_sql_says_of_a_stay_what_the_rules_say(store: Store) -> None:
    with store.database.writing() as connection:
        for status in StayStatus:
            connection.execute(
                insert(stays).values(stay_id=status, status=status, active_us=0, revision=1, document="{}")
            )
    said = select(stays.c.stay_id, STAY_GOES_ON, STAY_HAPPENED)
    with store.database.reading() as connection:
        by_sql = {row[0]: (bool(row[1]), bool(row[2])) for row in connection.execute(said)}
    assert by_sql == {status: (status in OPEN, status not in DEAD) for status in StayStatus}


@pytest.mark.parametrize("status", StayStatus)
def test_what_did_not_happen_neither_goes_on_nor_is_awaited(status: StayStatus) -> None:
    for action in Action:
        if is_void(action, status):
            assert not goes_on(action, status)
            assert not is_awaited(action, status)
    assert is_void(Action.RETRACT, status)
    assert is_void(Action.AMEND, status) is (status in DEAD)
    assert goes_on(Action.AMEND, status) <= is_awaited(Action.AMEND, status)
