"""What a Subscription asks for is a value, and what we cannot do is refused by name."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.fhir.parameters import parameters_of
from parsers.fhir.subscriptions import BACKPORT, JSON, TOPIC, Asked, Content, Refused, asked

CONTENT = {"url": f"{BACKPORT}/backport-payload-content", "valueCode": "id-only"}


def wanted(channel: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    usual = {"type": "rest-hook", "endpoint": "https://example.org/hook", "_payload": {"extension": [CONTENT]}}
    given = {"resourceType": "Subscription", "status": "requested", "criteria": TOPIC}
    return {**given, "channel": {**usual, **(channel or {})}, **changes}


def extension(name: str, **value: Any) -> dict[str, Any]:
    return {"extension": [{"url": f"{BACKPORT}/{name}", **value}]}


def filtered(*texts: Any) -> dict[str, Any]:
    filters = [{"url": f"{BACKPORT}/backport-filter-criteria", "valueString": text} for text in texts]
    return {"_criteria": {"extension": filters}}


def test_what_is_usual() -> None:
    assert asked(wanted()) == Asked("https://example.org/hook", Content.ID_ONLY, JSON, (), (), 0, 0, 100, None, "")


def test_everything_that_can_be_asked() -> None:
    numbers = [
        *extension("backport-heartbeat-period", valueUnsignedInt=60)["extension"],
        *extension("backport-timeout", valueUnsignedInt=9)["extension"],
        *extension("backport-max-count", valuePositiveInt=7)["extension"],
    ]
    channel = {"header": ["X-One: 1", "Authorization: Bearer a:b"], "payload": "application/json", "extension": numbers}
    subscription = asked(
        wanted(channel, **filtered("Encounter?patient=Patient/E1"), end="2026-12-01T00:00:00Z", reason="care")
    )
    assert subscription == Asked(
        "https://example.org/hook",
        Content.ID_ONLY,
        "application/json",
        (("X-One", "1"), ("Authorization", "Bearer a:b")),
        ("E1",),
        60,
        9,
        7,
        datetime(2026, 12, 1, tzinfo=UTC),
        "care",
    )
    assert "Bearer" not in repr(subscription)


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ([], "invalid"),
        ({"resourceType": "Patient"}, "invalid"),
        (wanted(status="off"), "value"),
        (wanted(criteria="Encounter?status=finished"), "not-supported"),
        (wanted(channel={"type": "email"}), "not-supported"),
        ({**wanted(), "channel": None}, "required"),
        (wanted({"_type": extension("backport-channel-type", valueCoding={})}), "not-supported"),
        (wanted({"endpoint": ""}), "required"),
        (wanted({"payload": "application/fhir+xml"}), "not-supported"),
        (wanted({"_payload": {}}), "not-supported"),
        (wanted({"_payload": extension("backport-payload-content", valueCode="all")}), "not-supported"),
        (wanted({"header": ["no colon"]}), "value"),
        (wanted({"header": "X: 1"}), "value"),
        (wanted({"header": ["X: 1\r\nHost: evil"]}), "value"),
        (wanted({"header": ["X: 1", "content-LENGTH: 3"]}), "value"),
        (wanted({"header": ["Host: evil"]}), "value"),
        (wanted(**filtered("Encounter?status=finished")), "not-supported"),
        (wanted(**filtered("Encounter?patient=Patient/1", "Encounter?patient=Patient/2")), "not-supported"),
        (wanted(**filtered(1)), "not-supported"),
        (wanted(extension("backport-max-count", valuePositiveInt="many")), "value"),
        (wanted(extension("backport-timeout", valueUnsignedInt=True)), "value"),
        (wanted(extension("backport-heartbeat-period", valueUnsignedInt=-1)), "value"),
        (wanted(end="tomorrow"), "value"),
        (wanted(end="2026-12-01T00:00:00"), "value"),
        (wanted(end=5), "value"),
    ],
)
def test_what_cannot_be_is_refused_by_name(resource: Any, code: str) -> None:
    refusal = asked(resource)
    assert isinstance(refusal, Refused)
    assert refusal.code == code


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["extension", "url", "x"]), inner),
    max_leaves=6,
)
PLACES = ("status", "criteria", "_criteria", "channel", "end", "reason")
CHANNEL_PLACES = ("type", "_type", "endpoint", "payload", "_payload", "header", "extension")


@given(st.sampled_from(PLACES), JSONS)
def test_whatever_stands_in_a_place_is_taken_or_refused(place: str, value: Any) -> None:
    assert isinstance(asked({**wanted(), place: value}), Asked | Refused)


@given(st.sampled_from(CHANNEL_PLACES), JSONS)
def test_whatever_stands_in_the_channel_is_taken_or_refused(place: str, value: Any) -> None:
    assert isinstance(asked(wanted({place: value})), Asked | Refused)


@pytest.mark.parametrize("criteria", [5, "x", {"extension": {}}, {"extension": ["x"]}])
def test_a_filter_that_cannot_be_read_is_refused_and_never_left_out(criteria: Any) -> None:
    assert asked(wanted(_criteria=criteria)) == Refused("structure", "an extension must be an object in a list")


def test_parameters_by_name_and_what_are_none() -> None:
    given = [{"name": "id", "valueString": "a"}, {"name": "id", "valueInteger": 2}, {"name": "since"}]
    assert parameters_of({"parameter": given}) == {"id": ["a", "2"], "since": [""]}
    assert parameters_of({}) == {}
    for wrong in (5, "x", {"a": 1}, [5], [{"name": 5}], [{}]):
        assert parameters_of({"parameter": wrong}) is None
