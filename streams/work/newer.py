"""What only a newer version of this program can read: the name it is set aside under, and who takes it up again.

While versions run side by side a newer one may write what an older one cannot read: a record of a newer `SCHEMA`, or a
document of a store that was migrated meanwhile. To wait for a newer worker in place would hold up the whole partition,
to guess would change what is meant. So the record is kept as quarantine keeps what we fail on, under a name that says
what is needed and against no sender's brake, and the first worker that knows it gives it back: nothing is lost, nothing
stands still, and after a return to the older version `handoff quarantine list` says what waits.
"""

from datetime import timedelta
from typing import Final

from streams.kafka.records import NEWEST_SCHEMA, Envelope
from streams.store import Store
from streams.store.revisions import TablesAre, check, known_revisions

TAKEN_UP_AFTER: Final = timedelta(seconds=10)  # an older worker may set it aside again as long as it has the partition
_RECORD: Final = "newer_record:"
_STORE: Final = "newer_store:"


def record_beyond(envelope: Envelope) -> str:
    """The name under which a record is set aside whose schema we do not know; "" for one we read."""
    return f"{_RECORD}{envelope.schema}" if envelope.schema > NEWEST_SCHEMA else ""


def store_beyond(store: Store) -> str:
    """As `record_beyond`, for what a document of a newer store kept us from deciding. Raises `Unavailable`."""
    state = check(store.database)
    return f"{_STORE}{state.found}" if state.tables is TablesAre.NEWER else ""


def is_newer(code: str) -> bool:
    return code.startswith((_RECORD, _STORE))


def within_reach() -> frozenset[str]:
    """The names of what was set aside and this program can read."""
    schemas = (f"{_RECORD}{schema}" for schema in range(1, NEWEST_SCHEMA + 1))
    return frozenset((*schemas, *(f"{_STORE}{revision}" for revision in known_revisions())))


def schema_of(code: str) -> int:
    """The schema of a record that was set aside or failed under this name."""
    return int(code.removeprefix(_RECORD)) if code.startswith(_RECORD) else 1
