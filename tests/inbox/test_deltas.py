"""A list that is asked for again comes as what changed since, for whom it was sent to and for nobody else."""

import re
from datetime import UTC, datetime

import pytest

from rules.telling.views import view
from streams.inbox.deltas import Delta, Deltas
from streams.inbox.pages import list_rows as rows
from streams.inbox.pages.reader_stay import ReaderStay
from tests.rigs.client import browser, rows_of
from tests.rigs.inbox import BROWN, ORTIZ, alert, discharge, load_people, person, tell

NOW = datetime.now(UTC)


def row_of(number, version=1):
    enrollee = person(number)
    stay = ReaderStay((view(alert(enrollee, f"s{number}", version, decided_at=NOW), enrollee, ORTIZ, network_id="n1"),))
    return rows.row(stay, "cm-ortiz", NOW)


def test_what_changed_came_and_went_is_known_by_who_was_sent_what():
    kept, row_1, row_2, row_3 = Deltas(), row_of(1), row_of(2), row_of(3)
    assert kept.sent("a", "first", [row_1, row_2]) is None
    assert kept.sent("a", "same", [row_1, row_2], "first") == Delta(frozenset(), ())
    assert kept.sent("a", "next", [row_of(1, 2), row_3], "first") == Delta(frozenset({"s1", "s3"}), ("s2",))
    assert kept.sent("a", "last", [row_3], "next") == Delta(frozenset(), ("s1",))
    assert kept.sent("b", "any", [row_1], "first") is None
    assert kept.sent("a", "any", [row_1], "never") is None


def test_only_so_many_rows_are_remembered_and_the_oldest_list_is_forgotten():
    kept, some = Deltas(most_rows=4), [row_of(1), row_of(2)]
    for name in ("first", "second", "third", "third"):
        kept.sent("a", name, some)
    assert kept.sent("a", "third", some, "first") is None
    assert kept.sent("a", "third", some, "second") == kept.sent("a", "third", some, "third") == Delta(frozenset(), ())
    kept.sent("a", "large", [row_of(number) for number in range(5)])
    assert kept.sent("a", "next", [], "large") is None


@pytest.fixture
def crowd(store):
    people = [person(number, f"Given{number}", "Smith") for number in range(80)]
    load_people(store, people)
    tell(store, *(alert(enrollee, f"s{number}", ed_visits=0) for number, enrollee in enumerate(people)))
    return store


def test_a_page_gets_what_changed_since_it_was_loaded_and_the_whole_where_that_is_not_known(settings, crowd):
    with browser(settings, crowd) as client, browser(settings, crowd, BROWN) as other:
        loaded = re.search(r'data-etag="(.*?)"', client.get("/").text).group(1).replace("&#34;", '"')
        assert client.get("/list", headers={"If-None-Match": loaded}).status_code == 304
        tell(crowd, discharge(person(7, "Given7", "Smith"), "s7", 2))
        part = client.get("/list", headers={"If-None-Match": loaded})
        assert part.headers["x-delta"] == "1"
        assert set(rows_of(part.text)) == {"s7"}
        whole = client.get("/list")
        assert "x-delta" not in whole.headers
        assert len(rows_of(whole.text)) == 80
        assert part.headers["etag"] == whole.headers["etag"]
        assert len(part.content) * 20 < len(whole.content)
        assert "x-delta" not in other.get("/list", headers={"If-None-Match": loaded}).headers
