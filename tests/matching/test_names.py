import pytest

from rules.matching.names import (
    first_shares,
    fold,
    known_first,
    last_shares,
    nickname,
    read_first,
    read_last,
    read_suffix,
)


@pytest.mark.parametrize(
    ("text", "key", "parts", "suffix"),
    [
        ("Smith", "SMITH", (), ""),
        ("O'Brien", "OBRIEN", (), ""),
        ("O’Brien", "OBRIEN", (), ""),
        ("O Brien", "OBRIEN", ("BRIEN",), ""),
        ("Mc Donald", "MCDONALD", ("DONALD",), ""),
        ("García-López", "GARCIALOPEZ", ("GARCIA", "LOPEZ"), ""),
        ("de la Cruz", "DELACRUZ", ("CRUZ",), ""),
        ("van der Berg", "VANDERBERG", ("BERG",), ""),
        ("Müller", "MULLER", (), ""),
        ("Strauß", "STRAUSS", (), ""),
        ("Łukasz", "LUKASZ", (), ""),
        ("Smith Jr.", "SMITH", (), "JR"),
        ("Smith, III", "SMITH", (), "III"),
        ("SMITH JR MD", "SMITH", (), "JR"),
        ("Jr", "JR", (), ""),
        ("Doe", "", (), ""),
        ("Unknown", "", (), ""),
        ("", "", (), ""),
    ],
)
def test_last_name(text, key, parts, suffix):
    assert tuple(read_last(text)) == (key, parts, suffix)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Mary Ann", "MARYANN"),
        ("BABYBOY", ""),
        ("Babygirl2", ""),
        ("Baby Boy A", ""),
        ("Twin B", ""),
        ("Newborn", ""),
        ("Unknown", ""),
        ("Male", ""),
        ("J", "J"),
        ("José", "JOSE"),
        ("Mr. John", "JOHN"),
        ("Boyd", "BOYD"),
        ("Do", "DO"),
    ],
)
def test_first_name(text, key):
    assert read_first(text).key == key


@pytest.mark.parametrize(
    ("text", "suffix"), [("Jr.", "JR"), ("junior", "JR"), ("Sr", "SR"), ("2nd", "II"), ("iii", "III"), ("PhD", "")]
)
def test_suffix(text, suffix):
    assert read_suffix(text) == suffix


def test_fold_keeps_words_apart():
    assert fold("  12 Élm-st. ") == "12 ELM ST"


def test_nicknames_are_one_hop_and_no_classes():
    assert nickname("BILL", "WILLIAM")
    assert nickname("WILLIAM", "BILL")
    assert nickname("LIZ", "ELIZABETH")
    assert not nickname("PATRICK", "PATRICIA")  # both are Pat
    assert not nickname("JOHN", "MARY")


def test_census_shares():
    assert 0.009 < last_shares()["SMITH"] < 0.012
    assert first_shares()["MARY"] > first_shares()["XIOMARA"]
    assert sum(last_shares().values()) < 1.01
    assert known_first("JAMES")
    assert not known_first("JAMSE")
