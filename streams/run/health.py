"""How a process is: named checks in, one JSON answer for `/healthz` and one for `/readyz` out.

A failed check of a process that must be restarted to recover is not *live*; one that waits for something else (the
store is away, a rebalance is going on) is live and not *ready*.
"""

import json
from enum import StrEnum
from typing import NamedTuple


class Needed(StrEnum):
    """What a check decides."""

    LIVE = "live"  # false: restart me; counts for readiness too
    READY = "ready"  # false: send me nothing yet, I am waiting


class Check(NamedTuple):
    """One thing that is as it should be, or not. `why` says what is wrong and what to do; it holds no PHI."""

    name: str
    ok: bool
    why: str = ""
    needed: Needed = Needed.READY


class Health(NamedTuple):
    """The checks of one process at one moment."""

    checks: tuple[Check, ...] = ()

    @property
    def live(self) -> bool:
        return all(check.ok for check in self.checks if check.needed is Needed.LIVE)

    @property
    def ready(self) -> bool:
        return all(check.ok for check in self.checks)

    def answer(self, needed: Needed) -> tuple[int, bytes]:
        """HTTP status and JSON body: `{"status": "ok" | "failing", "checks": [{"name", "ok", "why", "needed"}]}`."""
        ok = self.live if needed is Needed.LIVE else self.ready
        body = {"status": "ok" if ok else "failing", "checks": [check._asdict() for check in self.checks]}
        return (200 if ok else 503), json.dumps(body).encode()
