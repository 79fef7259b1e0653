"""HL7 times: every precision, offsets, zones, the two nights a year, and what is no time."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.events import Finding
from parsers.hl7.times import Moment, Precision, read_date, read_time

NEW_YORK = "America/New_York"


def moment(raw: str, zone: str = NEW_YORK) -> Moment:
    read = read_time(raw, zone)
    assert isinstance(read, Moment), read
    return read


@pytest.mark.parametrize(
    ("raw", "utc", "precision"),
    [
        ("2026", "2026-01-01T05:00:00", Precision.YEAR),
        ("202607", "2026-07-01T04:00:00", Precision.MONTH),
        ("20260301", "2026-03-01T05:00:00", Precision.DAY),
        ("2026030112", "2026-03-01T17:00:00", Precision.HOUR),
        ("202603011230", "2026-03-01T17:30:00", Precision.MINUTE),
        ("20260301123015", "2026-03-01T17:30:15", Precision.SECOND),
        ("20260301123015.5", "2026-03-01T17:30:15.500000", Precision.SECOND),
        ("20260301123015.1234567", "2026-03-01T17:30:15.123456", Precision.SECOND),
        ("20260301123015.", "2026-03-01T17:30:15", Precision.SECOND),
        (" 20260301123015 ", "2026-03-01T17:30:15", Precision.SECOND),
        ("20260301240000", "2026-03-02T05:00:00", Precision.SECOND),
        ("20260301235960", "2026-03-02T05:00:00", Precision.SECOND),
        ("2026-01-15T14:30:00", "2026-01-15T19:30:00", Precision.SECOND),
        ("2026-01-15 14:30", "2026-01-15T19:30:00", Precision.MINUTE),
        ("2026-01-15", "2026-01-15T05:00:00", Precision.DAY),
        ("01/15/2026", "2026-01-15T05:00:00", Precision.DAY),
    ],
)
def test_every_precision_without_an_offset_is_local(raw: str, utc: str, precision: Precision) -> None:
    read = moment(raw)
    assert read.at == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert read.at.tzinfo is UTC
    assert (read.precision, read.offset_sent, read.finding) == (precision, False, None)


@pytest.mark.parametrize(
    ("raw", "utc"),
    [
        ("20260301123015-0500", "2026-03-01T17:30:15"),
        ("20260301123015+0000", "2026-03-01T12:30:15"),
        ("20260301123015Z", "2026-03-01T12:30:15"),
        ("20260301123015.25+0530", "2026-03-01T07:00:15.250000"),
        ("202603011230-05", "2026-03-01T17:30:00"),
        ("20260301+0100", "2026-02-28T23:00:00"),
        ("2026-03-01T12:30:15+05:30", "2026-03-01T07:00:15"),
        ("2026-03-01T12:30:15.9z", "2026-03-01T12:30:15.900000"),
        ("20260308023000-0500", "2026-03-08T07:30:00"),
    ],
)
def test_an_offset_wins_over_the_zone(raw: str, utc: str) -> None:
    read = moment(raw, "Asia/Tokyo")
    assert read.at == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert read.offset_sent
    assert read.finding is None


@pytest.mark.parametrize(
    ("name", "raw", "utc", "finding"),
    [
        ("before the gap", "20260308015959", "2026-03-08T06:59:59", None),
        ("first second of the gap", "20260308020000", "2026-03-08T07:00:00", Finding.TIME_NONEXISTENT),
        ("in the gap", "20260308023000", "2026-03-08T07:30:00", Finding.TIME_NONEXISTENT),
        ("after the gap", "20260308030000", "2026-03-08T07:00:00", None),
        ("before the overlap", "20261101005959", "2026-11-01T04:59:59", None),
        ("in the overlap", "20261101013000", "2026-11-01T05:30:00", Finding.TIME_AMBIGUOUS),
        ("after the overlap", "20261101020000", "2026-11-01T07:00:00", None),
    ],
)
def test_the_two_nights_a_year_are_stated(name: str, raw: str, utc: str, finding: Finding | None) -> None:
    read = moment(raw)
    assert (read.at, read.finding) == (datetime.fromisoformat(utc).replace(tzinfo=UTC), finding), name


def test_a_zone_nobody_knows_is_utc() -> None:
    assert moment("20260301123015", "Mars/Olympus").at == datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
    assert moment("20260301123015", "../etc/passwd").at == datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize("raw", ["", "  "])
def test_nothing_is_nothing(raw: str) -> None:
    assert read_time(raw, NEW_YORK) is None
    assert read_date(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        "20261301", "20260230", "20260001", "yesterday", "9" * 5000, "0000", "-20260301", "２０２６０３０１",
        "99991231235960", "00010101000000+1400", "1793534400000", "99999999", "00000000", "2026-13", "2026-02-30",
        "13/13/2026", "31/02/2026", "12-XYZ-2026", "12:00", "0", "26", "202", "2026X", "T120000", "Monday",
    ],
)  # fmt: skip
def test_what_is_no_time_says_so(raw: str) -> None:
    assert read_time(raw, NEW_YORK) is Finding.TIME_UNREADABLE


@pytest.mark.parametrize(
    ("raw", "utc", "precision"),
    [
        ("20260115143000123", "2026-01-15T19:30:00.123000", Precision.SECOND),
        ("20260115143000123-0500", "2026-01-15T19:30:00.123000", Precision.SECOND),
        ("20260115T143000", "2026-01-15T19:30:00", Precision.SECOND),
        ("20260115t143000.5z", "2026-01-15T14:30:00.500000", Precision.SECOND),
        ("20260115T1430", "2026-01-15T19:30:00", Precision.MINUTE),
        ("20260115T14:30:00Z", "2026-01-15T14:30:00", Precision.SECOND),
        ("20260115 143000", "2026-01-15T19:30:00", Precision.SECOND),
        ("20260115 14:30", "2026-01-15T19:30:00", Precision.MINUTE),
        ("20260115 14", "2026-01-15T19:00:00", Precision.HOUR),
        ("20260115143000 -0600", "2026-01-15T20:30:00", Precision.SECOND),
        ("2026-01-15T143000", "2026-01-15T19:30:00", Precision.SECOND),
        ("2026-01-15T14:30:00.123-05:00", "2026-01-15T19:30:00.123000", Precision.SECOND),
        ("2026-1-5 9:05", "2026-01-05T14:05:00", Precision.MINUTE),
        ("2026/01/15 14:30:00", "2026-01-15T19:30:00", Precision.SECOND),
        ("2026.01.15", "2026-01-15T05:00:00", Precision.DAY),
        ("2026-07", "2026-07-01T04:00:00", Precision.MONTH),
        ("2026-7", "2026-07-01T04:00:00", Precision.MONTH),
        ("2026-0500", "2026-01-01T05:00:00", Precision.YEAR),
        ("1/15/2026 2:30 PM", "2026-01-15T19:30:00", Precision.MINUTE),
        ("01/15/2026 12:30:00 AM", "2026-01-15T05:30:00", Precision.SECOND),
        ("01-15-2026 2 p.m.", "2026-01-15T19:00:00", Precision.HOUR),
        ("15/01/2026 14:30", "2026-01-15T19:30:00", Precision.MINUTE),
        ("15-JAN-2026 14:30:00", "2026-01-15T19:30:00", Precision.SECOND),
        ("15Jan2026", "2026-01-15T05:00:00", Precision.DAY),
        ("January 15, 2026", "2026-01-15T05:00:00", Precision.DAY),
        ("Jan 15 2026 14:30", "2026-01-15T19:30:00", Precision.MINUTE),
        ("20260115143000 CST", "2026-01-15T20:30:00", Precision.SECOND),
        ("20260715143000EST", "2026-07-15T18:30:00", Precision.SECOND),
        ("2026-01-15 14:30 UTC", "2026-01-15T14:30:00", Precision.MINUTE),
    ],
)
def test_what_senders_write_instead_is_read_as_well(raw: str, utc: str, precision: Precision) -> None:
    read = moment(raw)
    assert read.at == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert (read.precision, read.finding) == (precision, None)


@pytest.mark.parametrize(
    ("raw", "utc", "precision"),
    [
        ("2026031", "2026-03-01T05:00:00", Precision.MONTH),
        ("202601151", "2026-01-15T05:00:00", Precision.DAY),
        ("20260115143", "2026-01-15T19:00:00", Precision.HOUR),
        ("2026011514300", "2026-01-15T19:30:00", Precision.MINUTE),
        ("20260115250000", "2026-01-15T05:00:00", Precision.DAY),
        ("20260115240001", "2026-01-15T05:00:00", Precision.DAY),
        ("20260115146000", "2026-01-15T19:00:00", Precision.HOUR),
        ("20260115143061", "2026-01-15T19:30:00", Precision.MINUTE),
        ("2026-01-15T14:60:00", "2026-01-15T19:00:00", Precision.HOUR),
        ("20260115+9999", "2026-01-15T05:00:00", Precision.DAY),
        ("2026-01-15 +9999", "2026-01-15T05:00:00", Precision.DAY),
        ("20260115143000-0600x", "2026-01-15T20:30:00", Precision.SECOND),
        ("20260115143000-0600[America/Chicago]", "2026-01-15T20:30:00", Precision.SECOND),
        ("202601151430 approximately", "2026-01-15T19:30:00", Precision.MINUTE),
        ("20260115 noon", "2026-01-15T05:00:00", Precision.DAY),
        ("20260115143000 CST or so", "2026-01-15T20:30:00", Precision.SECOND),
        ("20260115143000" + " " * 100 + "x", "2026-01-15T19:30:00", Precision.SECOND),
    ],
)
def test_what_is_certain_is_read_and_the_rest_noted(raw: str, utc: str, precision: Precision) -> None:
    read = moment(raw)
    assert read.at == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert (read.precision, read.finding) == (precision, Finding.TIME_CUT)


@pytest.mark.parametrize(
    ("raw", "day"),
    [
        ("19890521", date(1989, 5, 21)),
        ("19890521000000", date(1989, 5, 21)),
        ("198905212359-0500", date(1989, 5, 21)),
        ("1989-05-21", date(1989, 5, 21)),
        ("05/21/1989", date(1989, 5, 21)),
        ("1989-05-21T00:00:00.000Z", date(1989, 5, 21)),
        ("21-May-1989", date(1989, 5, 21)),
        ("198905219", date(1989, 5, 21)),
        ("1989-05", Finding.TIME_UNREADABLE),
        ("198905", Finding.TIME_UNREADABLE),
        ("1989", Finding.TIME_UNREADABLE),
        ("19890231", Finding.TIME_UNREADABLE),
        ("unknown", Finding.TIME_UNREADABLE),
    ],
)
def test_days(raw: str, day: date | Finding) -> None:
    assert read_date(raw) == day


EARLIEST, LATEST = datetime.fromisoformat("1900-01-02"), datetime.fromisoformat("2200-01-01")


@given(st.datetimes(min_value=EARLIEST, max_value=LATEST), st.integers(-14 * 60, 14 * 60))
def test_what_is_written_with_an_offset_is_read_back(local: datetime, minutes: int) -> None:
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    raw = f"{local:%Y%m%d%H%M%S}.{local.microsecond:06d}{sign}{size // 60:02d}{size % 60:02d}"
    assert moment(raw).at == (local - timedelta(minutes=minutes)).replace(tzinfo=UTC)


@given(st.text(max_size=50))
def test_any_text_is_a_time_or_none(raw: str) -> None:
    read = read_time(raw, NEW_YORK)
    assert read is None or read is Finding.TIME_UNREADABLE or isinstance(read, Moment)
    read_date(raw)
