"""Where an address really leads decides whether it is used, whatever it is called."""

import asyncio
import socket
from ipaddress import ip_address

import pytest

from streams.tell import addresses
from streams.tell.addresses import NotAllowed, look_up, public, split_url

REFUSED = [
    *("0.0.0.1", "10.255.0.1", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.9.9.9", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.254", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:7f00:1::"),
    *("2002:a00:1::", "fc00::1", "fdff::1", "fe80::1", "ff02::1", "2001:db8::1", "100::1", "fec0::1", "3fff::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:20::1", "64:ff9b:1::7f00:1", "::ffff:0:127.0.0.1", "5f00::1"),
]
TAKEN = ["8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "198.20.0.1"]
TAKEN += ["223.255.255.254", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"]


@pytest.mark.parametrize("text", REFUSED)
def test_special_and_private_ranges_are_refused(text: str) -> None:
    assert not public(ip_address(text))


@pytest.mark.parametrize("text", TAKEN)
def test_their_neighbors_are_not(text: str) -> None:
    assert public(ip_address(text))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/", "https"),
        ("ftp://example.org/", "https"),
        ("https:///x", "no host"),
        ("https://user:pass@example.org/", "user or a password"),
        ("https://example.org:22/", "below 1024"),
        ("https://example.org:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://example.org/a b", "a space or a control character"),
        ("https://example.org/\r\nX-Mine: 1", "a space or a control character"),
    ],
)
def test_what_is_no_address_of_ours_is_refused_with_why_and_without_the_url(url: str, why: str) -> None:
    with pytest.raises(NotAllowed, match=why) as error:
        split_url(url, plain=False)
    assert "pass@" not in str(error.value)


def look(monkeypatch: pytest.MonkeyPatch, url: str, *answers: str, **changes):
    def answer(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in answers]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", answer)
    return asyncio.run(look_up(url, **{"private": False, **changes}))


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAllowed, match="private"):
        look(monkeypatch, "https://example.org/x", "8.8.8.8", "10.0.0.1")


def test_a_public_name_gives_what_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    target = look(monkeypatch, "https://example.org:8443/a?b=1", "8.8.8.8", "8.8.4.4", "8.8.8.8")
    assert target.addresses == ("8.8.8.8", "8.8.4.4")
    assert (target.authority, target.path) == ("example.org:8443", "/a?b=1")


def test_the_own_network_by_leave_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(monkeypatch, "https://ehr.local/", "10.1.2.3", allowed=("10.1.0.0/16",)).addresses == ("10.1.2.3",)
    assert look(monkeypatch, "http://ehr.local/", "10.1.2.3", private=True).addresses == ("10.1.2.3",)
    with pytest.raises(NotAllowed):
        look(monkeypatch, "https://ehr.local/", "10.2.2.3", allowed=("10.1.0.0/16",))


def test_nothing_goes_without_tls_beyond_the_own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever allows the own network has not allowed to be overheard on the way to another's."""
    for where in (("8.8.8.8",), ("10.1.2.3", "8.8.8.8")):
        with pytest.raises(NotAllowed, match="without TLS"):
            look(monkeypatch, "http://ehr.example/", *where, private=True)
    leased = look(monkeypatch, "http://ehr.example/", "8.8.8.8", private=True, allowed=("8.8.0.0/16",))
    assert leased.addresses == ("8.8.8.8",), "said to be one's own, such as by a line of one's own"


def test_a_name_is_looked_at_again_for_each_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    look(monkeypatch, "https://example.org/", "8.8.8.8")
    with pytest.raises(NotAllowed):
        look(monkeypatch, "https://example.org/", "127.0.0.1")


@pytest.mark.parametrize("url", ["https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://0177.0.0.1/"])
def test_other_spellings_of_the_loopback_are_refused(url: str) -> None:
    with pytest.raises((NotAllowed, OSError)):
        asyncio.run(look_up(url, private=False))


@pytest.mark.parametrize(
    "text",
    [
        *("169.254.169.254", "169.254.0.1", "fe80::1", "febf::1", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254"),
        *("2002:a9fe:a9fe::", "fd00:ec2::254", "::ffff:0:169.254.169.254"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
    ],
)
def test_link_local_and_metadata_addresses_are_refused_whoever_allows_them(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    for leave in ({"private": True}, {"allowed": ("0.0.0.0/0", "::/0")}):
        with pytest.raises(NotAllowed, match="link-local"):
            look(monkeypatch, "https://example.org/", "8.8.8.8", text, **leave)
