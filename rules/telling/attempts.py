"""What an attempt to deliver came to and how often it failed in; when to try again, or that nobody will, out.

The schedule is the one that Standard Webhooks 1.0.0 prints: eleven tries over three days and three hours, so that a
receiver which is down over a weekend loses nothing. `Retry-After` (RFC 9110 10.2.3) is honored, but never below our own
delay and never above an hour or twice our own delay, whichever is longer.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

DELAYS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, 86400)
)  # before the second try, the third, ...; 98 hours in all
JITTER: Final = 0.2  # of a delay, up or down
LEAST: Final = timedelta(days=3)  # before anything is given up, also where some tries were hastened
AWAY: Final = timedelta(minutes=5)  # who is back after less was not away: what failed there failed by itself
MOST_ASKED: Final = timedelta(hours=1)  # that a receiver may ask us to wait where our own delay is short
FEW: Final = 3  # tries of what the receiver says is wrong with what we send: sending it again rarely mends it
PAUSE_AFTER: Final = timedelta(days=5)  # without any success
APART: Final = timedelta(hours=12)  # and two failures so far apart, so that one bad night pauses nobody


class Failure(StrEnum):
    """Why an attempt failed: closed, counted, shown to the destination's owner. Never the receiver's own words."""

    TIMED_OUT = "timed_out"  # also a gateway's, 504: nobody knows whether it arrived
    NO_CONNECTION = "no_connection"
    CONNECTION_LOST = "connection_lost"  # after something was sent, also a gateway's, 502: nobody knows
    TLS = "tls"  # certificate or handshake
    ADDRESS_REFUSED = "address_refused"  # points into our own network, or is no address
    REDIRECTED = "redirected"  # never followed
    REFUSED = "refused"  # 400, 404, 405, 413, 422; 5xx of SMTP
    NEVER = "never"  # AR, CR: the receiver will not take this message however often it comes
    NOT_ALLOWED = "not_allowed"  # 401, 403; bad login
    GONE = "gone"  # 410
    SLOW_DOWN = "slow_down"  # 429
    SERVER_ERROR = "server_error"  # other 5xx, 408, 425; 4xx of SMTP; AE
    BAD_ANSWER = "bad_answer"  # not the protocol: nobody knows
    BOUNCED = "bounced"  # a relay took it, and it came back
    NO_ROOM = "no_room"  # a folder or disk of a file way
    MISCONFIGURED = "misconfigured"  # the destination's own row, or this process, lacks what its way needs
    CRASHED = "crashed"  # a fault of our own code; tried again, and logged


UNKNOWN: Final = frozenset(
    {Failure.TIMED_OUT, Failure.CONNECTION_LOST, Failure.BAD_ANSWER, Failure.CRASHED}
)  # may have arrived: a retraction follows there
OF_CONTENT: Final = frozenset({Failure.REFUSED, Failure.NEVER, Failure.CRASHED})  # another delivery may well arrive
STOPS_DESTINATION: Final = frozenset({Failure.GONE, Failure.NOT_ALLOWED, Failure.MISCONFIGURED})
_RARELY_MENDED: Final = frozenset({Failure.REFUSED, Failure.REDIRECTED, Failure.ADDRESS_REFUSED})


class GiveUp(StrEnum):
    """Why a delivery ended without having been delivered."""

    TRIED_ENOUGH = "tried_enough"
    NOT_WANTED = "not_wanted"  # the receiver says never
    SUPERSEDED = "superseded"  # a newer state took its place unsent
    REMOVED = "removed"  # the destination is gone
    NOT_PASSED_ON = "not_passed_on"  # no message of this patient alone is behind the version, or it is kept no more
    WITHHELD = "withheld"  # the form cannot do without what this recipient may not know


class Again(NamedTuple):
    at: datetime


class Ended(NamedTuple):
    why: GiveUp


def after_failure(
    failure: Failure, tries: int, since: datetime, now: datetime, chance: float, retry_after: timedelta | None = None
) -> Again | Ended:
    """What follows try number `tries` (from 1), which failed, of what is due `since`. `chance`: in [0, 1), spreads
    retries.
    """
    if failure is Failure.NEVER:
        return Ended(GiveUp.NOT_WANTED)
    if failure in _RARELY_MENDED and tries >= FEW:
        return Ended(GiveUp.NOT_WANTED)
    if tries > len(DELAYS) and now - since >= LEAST:
        return Ended(GiveUp.TRIED_ENOUGH)
    delay = DELAYS[min(tries, len(DELAYS)) - 1]
    wait = delay * (1 + JITTER * (2 * chance - 1))
    if retry_after is not None:
        wait = max(wait, min(retry_after, max(2 * delay, MOST_ASKED)))
    return Again(now + wait)


def pauses(first_failed_at: datetime, failed_at: datetime, last_success_at: datetime | None, now: datetime) -> bool:
    """Whether a destination that only fails is to be paused and somebody told.

    `first_failed_at`: first failure since the last success; `failed_at`: the newest one.
    """
    silent_since = max(last_success_at or first_failed_at, first_failed_at)
    return now - silent_since >= PAUSE_AFTER and failed_at - first_failed_at >= APART
