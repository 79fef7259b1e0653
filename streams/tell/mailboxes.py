"""The address of a mailbox in; the mails in it that nobody has read, each to be marked as read, out.

`imaps://user:password@host:port/FOLDER` or `maildir:///path`. Nothing is deleted: what was read is marked as seen, in
a Maildir moved from `new` to `cur`; keeping the box small is its owner's. Blocking: callers run it in a thread.
"""

import imaplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

TIMEOUT_SECONDS: Final = 30.0
AT_ONCE: Final = 200  # mails of one look; the next look goes on
MOST_BYTES: Final = 256 * 1024  # of one mail: a report comes before the mail it gives back


class Mail(NamedTuple):
    """One mail as it lies there, cut off where it is very long."""

    raw: bytes
    mark_read: Callable[[], None]  # raises `OSError`

    def __repr__(self) -> str:
        return f"<Mail of {len(self.raw)} bytes>"


class Box(Protocol):
    """One mailbox."""

    def unread(self) -> Iterator[Mail]:
        """What nobody has read. Raises `OSError`; every wait in it ends."""
        ...


class Maildir:
    """A folder that a mail server delivers into: `new`, `cur` and `tmp`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def unread(self) -> Iterator[Mail]:
        for path in sorted((self._folder / "new").iterdir())[:AT_ONCE]:
            with suppress(FileNotFoundError):  # another process read it meanwhile
                with path.open("rb") as file:
                    raw = file.read(MOST_BYTES)
                yield Mail(raw, partial(self._mark, path))

    def _mark(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.rename(self._folder / "cur" / f"{path.name.partition(':')[0]}:2,S")


class Imap:
    """A mailbox on a server, by TLS (RFC 3501)."""

    def __init__(self, url: str, ca: str = "") -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 993
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._folder = unquote(parts.path.strip("/")) or "INBOX"
        self._context = ssl.create_default_context(cafile=ca or None)

    def __repr__(self) -> str:
        return f"<Imap {self._host}:{self._port}>"

    def unread(self) -> Iterator[Mail]:
        try:
            with imaplib.IMAP4_SSL(
                self._host, self._port, ssl_context=self._context, timeout=TIMEOUT_SECONDS
            ) as server:
                server.login(self._user, self._password)
                _expect_ok(server.select(f'"{self._folder}"'))
                numbers = _expect_ok(server.uid("SEARCH", "UNSEEN"))[0] or b""
                for number in numbers.decode().split()[:AT_ONCE]:
                    parts = _expect_ok(server.uid("FETCH", number, f"(BODY.PEEK[]<0.{MOST_BYTES}>)"))
                    raw = next((part[1] for part in parts if isinstance(part, tuple)), b"")
                    yield Mail(raw, partial(self._mark, server, number))
        except imaplib.IMAP4.error as error:
            raise OSError(f"the mail server refused: {type(error).__name__}") from None

    @staticmethod
    def _mark(server: imaplib.IMAP4, number: str) -> None:
        _expect_ok(server.uid("STORE", number, "+FLAGS.SILENT", r"(\Seen)"))


def box_of(url: str) -> Box:
    """The mailbox at a URL. Raises `ValueError`, without the URL."""
    parts = urlsplit(url)
    if parts.scheme == "imaps" and parts.hostname and parts.username and '"' not in unquote(parts.path):
        return Imap(url)
    if parts.scheme == "maildir" and not parts.netloc and parts.path.startswith("/"):
        return Maildir(Path(unquote(parts.path)))
    raise ValueError("expected imaps://user:password@host/FOLDER or maildir:///path")


def _expect_ok(answer: tuple[str, list[Any]]) -> list[Any]:
    said, data = answer
    if said != "OK":
        raise OSError(f"the mail server said {said}")
    return data
