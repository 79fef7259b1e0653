"""What is due as a calendar file: counts by the day, the same entries again when it is read again."""

from datetime import UTC, date, datetime, timedelta

from streams.words.calendar import calendar

NOW = datetime(2026, 11, 25, 20, 30, tzinfo=UTC)


def test_a_day_is_an_entry_of_a_number_and_keeps_its_name():
    text = calendar({date(2026, 11, 30): 1, date(2026, 11, 27): 3}, "cm-ortiz", NOW)
    lines = text.split("\r\n")
    assert [line for line in lines if line.startswith("SUMMARY")] == [
        "SUMMARY:3 calls or visits due",
        "SUMMARY:1 call or visit due",
    ]
    assert [line for line in lines if line.startswith("DT")][:3] == [
        "DTSTAMP:20261125T203000Z",
        "DTSTART;VALUE=DATE:20261127",
        "DTEND;VALUE=DATE:20261128",
    ]
    assert max(map(len, lines)) <= 75
    assert (lines[0], lines[-2:]) == ("BEGIN:VCALENDAR", ["END:VCALENDAR", ""])
    later = calendar({date(2026, 11, 27): 1}, "cm-ortiz", NOW + timedelta(hours=1)).split("\r\n")
    uid, sequence = (next(line for line in lines if line.startswith(name)) for name in ("UID", "SEQUENCE"))
    assert uid in later
    assert int(sequence[9:]) < int(next(line for line in later if line.startswith("SEQUENCE"))[9:])


def test_an_empty_calendar_and_a_strange_name_are_valid_too():
    assert "VEVENT" not in calendar({}, "x", NOW)
    assert "UID:20261127-a-d-abé" not in (text := calendar({date(2026, 11, 27): 1}, "a\r\nbé" * 20, NOW))
    assert max(map(len, text.split("\r\n"))) <= 75
    assert text.count("\r\n") == 15
