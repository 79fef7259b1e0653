"""A text message: counts only, one part of GSM-7, in the body a gateway asks for."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from streams.tell.forms.sms import FORM, JSON, MOST, USUAL_BODY, body, text

DUE = datetime(2026, 11, 27, 14, 0, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")


def test_counts_first_then_when_and_where_if_they_fit() -> None:
    said = text([(2, "urgent"), (1, "soon"), (0, "routine")], DUE, "https://handoff.example", ZONE)
    assert said == "Warm Handoff: 2 urgent, 1 soon. First step due Fri Nov 27, 9:00 AM. https://handoff.example"
    long = text([(2, "urgent")], None, "https://handoff.example/" + "x" * 200, ZONE)
    assert long == "Warm Handoff: 2 urgent."
    assert text([], None, "the page", ZONE) == "Warm Handoff: nothing waits."
    every = [(99999, word) for word in ("urgent", "soon", "routine", "taken back", "waiting for your answer")]
    assert len(text(every, DUE, "https://handoff.example", ZONE)) <= MOST


def test_the_body_is_escaped_as_its_type_asks() -> None:
    said = 'a "b" & c'
    assert json.loads(body(USUAL_BODY, JSON, "+18285550100", said)) == {"to": "+18285550100", "text": said}
    form = body("To={to}&Body={text}&From=1", f"{FORM}; charset=utf-8", "+18285550100", said)
    assert parse_qs(form.decode()) == {"To": ["+18285550100"], "Body": [said], "From": ["1"]}
