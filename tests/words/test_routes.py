"""Why somebody is told, as they read it; from the words that routing itself writes."""

import pytest

from rules.decisions import Reason
from streams.words.routes import said_to
from tests.telling.test_routes import CHRISTMAS, MONDAY_NIGHT, MONDAY_NOON, away, directory, enrollee, route

MENTAL = {"reasons": {Reason.BEHAVIORAL_HEALTH}}
NO_PLAN = "no behavioral-health plan (LME/MCO) is on file for this county, so nobody there was told."


@pytest.mark.parametrize(
    ("reader", "routed", "words"),
    [
        ("M. Ortiz", route(enrollee()), "You carry Blue Ridge."),
        ("B. Lee", route(enrollee()), "M. Ortiz carries Blue Ridge."),
        ("Ortiz", route(enrollee()), "M. Ortiz carries Blue Ridge."),
        ("", route(enrollee()), "M. Ortiz carries Blue Ridge."),
        (
            "B. Lee",
            route(enrollee(), CHRISTMAS, where=directory(away("nurse", "second"))),
            "M. Ortiz carries Blue Ridge, is away and you stand in.",
        ),
        (
            "E. Gale",
            route(enrollee(), MONDAY_NIGHT),
            "Nobody who carries Blue Ridge answers at this hour (all outside their hours); "
            "you answer for the network Western Network.",
        ),
        (
            "Night desk",
            route(enrollee("P9"), MONDAY_NOON),
            "Practice P9 is not in the directory; you answer for whatever nobody else does.",
        ),
        (
            "T. Vance",
            route(enrollee(), **MENTAL),
            "M. Ortiz carries Blue Ridge. Because the reason is behavioral health: you coordinate care at Vaya Health.",
        ),
    ],
)
def test_a_route_is_said_to_who_reads_it(reader, routed, words):
    assert said_to(routed.explanation, reader) == words


def test_that_no_plan_was_told_stands_as_it_is():
    said = "M. Ortiz carries the panel of Blue Ridge. Because the reason is overdose: " + NO_PLAN
    assert said_to(said, "M. Ortiz") == "You carry Blue Ridge. Because the reason is overdose: " + NO_PLAN
