"""Character sets as senders claim, forget, misspell and invent them."""

import random

import pytest

from parsers.events import Finding
from parsers.hl7.charsets import CODECS, Decoded, Undecodable, codec_of, decode, is_codec
from parsers.hl7.er7 import Message, note
from parsers.outcomes import Reject, RejectCode

NAME = "Müller^Jürgen"


def decoded(data: bytes, declared: str = "", configured: str = "") -> Decoded:
    read = decode(data, declared, "~", configured)
    assert isinstance(read, Decoded), read
    return read


@pytest.mark.parametrize("codec", sorted(set(CODECS.values())))
def test_every_codec_of_the_table_exists(codec: str) -> None:
    assert is_codec(codec)


def test_only_text_codecs_can_be_configured() -> None:
    assert [is_codec(name) for name in ("cp850", "utf-8", "hex", "zip", "no-such-codec")] == [
        True, True, False, False, False
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("ASCII", "ascii"), ("8859/1", "iso8859-1"), ("8859/15", "iso8859-15"), ("8859/9", "iso8859-9"),
        ("UNICODE UTF-8", "utf-8"), ("UTF-8", "utf-8"), ("utf8", "utf-8"), ("UNICODE", "utf-8"),
        ("ISO-8859-1", "iso8859-1"), ("ISO_8859-2", "iso8859-2"), ("WINDOWS-1252", "cp1252"),
        ("ISO IR87", "iso2022_jp_ext"),
        ("ISO IR6", "ascii"), ("GB 18030-2000", "gb18030"), ("KS X 1001", "euc_kr"), ("BIG-5", "big5hkscs"),
        ("ISO IR 999", ""), ("", ""), ("Klingon", ""), ("8859/12", ""), ("x" * 100_000, ""),
    ],
)  # fmt: skip
def test_names(declared: str, codec: str) -> None:
    assert codec_of(declared) == codec


@pytest.mark.parametrize(
    ("name", "declared", "data", "text", "finding"),
    [
        ("plain, nothing said", "", b"Miller", "Miller", None),
        ("plain, something unknown said", "ISO IR 999", b"Miller", "Miller", Finding.CHARSET_UNKNOWN),
        ("UTF-8 as said", "UNICODE UTF-8", NAME.encode(), NAME, None),
        ("UTF-8, nothing said", "", NAME.encode(), NAME, Finding.CHARSET_MISSING),
        ("UTF-8, ASCII said", "ASCII", NAME.encode(), NAME, Finding.CHARSET_LYING),
        ("UTF-8, Latin-1 said", "8859/1", NAME.encode(), NAME, Finding.CHARSET_LYING),
        ("UTF-8, Korean said", "KS X 1001", "Åse".encode(), "Åse", Finding.CHARSET_LYING),
        ("UTF-8, something unknown said", "Klingon", NAME.encode(), NAME, Finding.CHARSET_UNKNOWN),
        ("Latin-1 as said", "8859/1", NAME.encode("latin-1"), NAME, None),
        ("Latin-1, nothing said", "", NAME.encode("latin-1"), NAME, Finding.CHARSET_MISSING),
        ("Latin-1, UTF-8 said", "UNICODE UTF-8", NAME.encode("latin-1"), NAME, Finding.CHARSET_LYING),
        ("Latin-1, ASCII said", "ASCII", NAME.encode("latin-1"), NAME, Finding.CHARSET_LYING),
        ("Windows quotes, Latin-1 said", "8859/1", b"O\x92Neil", "O\x92Neil", None),
        ("Windows quotes, nothing said", "", b"O\x92Neil", "O’Neil", Finding.CHARSET_MISSING),
        ("Latin-2", "8859/2", "Škoda".encode("iso8859-2"), "Škoda", None),
        ("Greek", "8859/7", "Αθήνα".encode("iso8859-7"), "Αθήνα", None),
        ("Cyrillic", "8859/5", "Иванов".encode("iso8859-5"), "Иванов", None),
        ("Hebrew", "8859/8", "שלום".encode("iso8859-8"), "שלום", None),
        ("Arabic", "8859/6", "محمد".encode("iso8859-6"), "محمد", None),
        ("Chinese", "GB 18030-2000", "王小明".encode("gb18030"), "王小明", None),
        ("Chinese of Taiwan", "BIG-5", "王小明".encode("big5"), "王小明", None),
        ("Korean", "KS X 1001", "홍길동".encode("euc_kr"), "홍길동", None),
        ("Japanese by ISO 2022", "~ISO IR87", "Yamada~山田".encode("iso2022_jp"), "Yamada~山田", None),
        ("Japanese, two sets", "ISO IR6~ISO IR87~ISO IR159", "山田".encode("iso2022_jp"), "山田", None),
        ("Japanese in UTF-8, ISO 2022 said", "~ISO IR87", "山田".encode(), "山田", Finding.CHARSET_LYING),
        ("UTF-16 by its mark", "UNICODE UTF-16", ("MSH" + NAME).encode("utf-16"), "MSH" + NAME, None),
    ],
)  # fmt: skip
def test_claims(name: str, declared: str, data: bytes, text: str, finding: Finding | None) -> None:
    read = decoded(data, declared)
    assert (read.text, read.finding) == (text, finding), name


def test_a_feeds_charset_is_obeyed_whatever_is_said() -> None:
    assert decoded("é".encode(), "UNICODE UTF-8", "latin-1").text == "Ã©"
    assert decoded("Škoda".encode("cp1250"), "8859/1", "WINDOWS-1250").text == "Škoda"


@pytest.mark.parametrize(
    ("declared", "configured", "data", "offset"),
    [
        ("", "ascii", b"ab\xe9", 2),
        ("", "utf-8", b"abc\xff", 3),
        ("", "no-such-codec", b"abc", 0),
        ("", "", b"a\x81", 1),
        ("SJIS", "", b"ab\x81\xff\x81", 2),
        ("", "", b"\xff\xfe\x00\xd8\x00\xd8", 2),
    ],
)
def test_what_fits_nothing_says_where(declared: str, configured: str, data: bytes, offset: int) -> None:
    assert decode(data, declared, "~", configured) == Undecodable(offset)


def test_the_message_says_in_which_field() -> None:
    head = b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5"
    for data, place in (
        (head + b"\rPID|1||1||D\xe9^J", "PID-5"),
        (head + b"\nPV1|1|\xe9", "PV1-2"),
        (head + b"\xe9", "MSH-12"),
        (head + b"\r\xe9\xe9", ""),
    ):
        read = Message.parse(data, "ascii")
        assert isinstance(read, Reject)
        assert (read.code, read.place) == (RejectCode.UNDECODABLE, place)


def test_the_finding_becomes_a_note_on_msh_18() -> None:
    read = Message.parse(b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5\rPID|1||1||D\xe9^J")
    assert isinstance(read, Message)
    assert read.notes == [note(Finding.CHARSET_MISSING, "MSH-18")]
    assert read.get("PID-5") == "Dé"


CLAIM = "MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5||||||{}\rPID|1||1||{}^J"


@pytest.mark.parametrize(
    ("name", "data", "configured", "family", "finding"),
    [
        ("UTF-16 said over UTF-8", CLAIM.format("UNICODE UTF-16", "Müller").encode(), "", "Müller",
         Finding.CHARSET_LYING),
        ("UTF-32 said over Windows-1252", CLAIM.format("UNICODE UTF-32", "Müller").encode("cp1252"), "", "Müller",
         Finding.CHARSET_LYING),
        ("UTF-16 said over ASCII", CLAIM.format("UNICODE UTF-16", "Muller").encode(), "", "Muller",
         Finding.CHARSET_LYING),
        ("half a mark before GB18030", b"\xef" + CLAIM.format("GB 18030-2000", "王").encode("gb18030"), "", "王", None),
        ("half a mark before Big5", b"\xbb\xbf" + CLAIM.format("BIG-5", "王").encode("big5"), "", "王", None),
        ("the mark of UTF-16 before UTF-8", b"\xff\xfe" + CLAIM.format("UNICODE UTF-8", "Müller").encode(), "",
         "Müller", None),
        ("the other mark before Latin-1", b"\xfe\xff" + CLAIM.format("8859/1", "Müller").encode("latin-1"), "",
         "Müller", None),
        ("UTF-16 without a mark", CLAIM.format("", "Müller").encode("utf-16-le"), "", "Müller", None),
        ("UTF-16 after line ends", ("\r\n" + CLAIM.format("", "Müller")).encode("utf-16-be"), "", "Müller", None),
        ("UTF-32", CLAIM.format("", "Müller").encode("utf-32"), "", "Müller", None),
        ("UTF-16 in a feed configured so", CLAIM.format("", "Müller").encode("utf-16"), "utf-16", "Müller", None),
        ("UTF-8 in a feed configured for UTF-16", CLAIM.format("", "Müller").encode() + b" ", "utf-16", "Müller",
         Finding.CHARSET_LYING),
        ("EBCDIC configured", CLAIM.format("", "Muller").encode(), "cp037", "Muller", Finding.CHARSET_LYING),
    ],
)  # fmt: skip
def test_what_the_claim_makes_unreadable_is_read_by_what_the_bytes_look_like(
    name: str, data: bytes, configured: str, family: str, finding: Finding | None
) -> None:
    read = Message.parse(data, configured)
    assert isinstance(read, Message), name
    assert (read.get("MSH-10"), read.get("PID-5")) == ("1", family), name
    assert [noted.finding for noted in read.notes] == ([finding] if finding else []), name


def test_what_no_reading_makes_a_message_of_is_refused_by_name() -> None:
    data = CLAIM.format("", "\x81").encode("latin-1")
    assert Message.parse(data, "cp037") == Reject(code=RejectCode.UNDECODABLE, place="PID-5")


def test_no_claim_and_no_stray_byte_breaks_the_reader() -> None:
    chance = random.Random(9)
    claims = ["UNICODE UTF-16", "UNICODE UTF-32", "GB 18030-2000", "~ISO IR87", "SJIS", "KS X 1001", "8859/1", ""]
    stray = [b"\xef", b"\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0", b"\x1b$B", b"\x81", b"\xd8\0", b"\xe9", b"\r"]
    for _ in range(3000):
        data = CLAIM.format(chance.choice(claims), chance.choice(["Müller", "王小明", "Roe"]))
        read = data.encode(chance.choice(["utf-8", "gb18030", "utf-16", "utf-16-be", "utf-8-sig"]))
        for _ in range(chance.randrange(4)):
            at = chance.choice([0, 0, chance.randrange(len(read))])
            read = read[:at] + chance.choice(stray) + read[at + chance.randrange(2) :]
        parsed = Message.parse(read, chance.choice(["", "", "utf-16", "gb18030", "cp037"]))
        assert isinstance(parsed, Reject) or parsed.segments("MSH")
