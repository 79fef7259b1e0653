"""Endings into the store, each counted once."""

from collections.abc import Sequence

from parsers.outcomes import RejectCode
from rules.endings import Ending, LedgerEntry
from streams.run import metrics
from streams.run.metrics import Stage
from streams.store import Store


def write_endings(store: Store, entries: Sequence[LedgerEntry], stage: Stage) -> None:
    """Endings into the ledger; those that are new there are counted, a redelivery's are not. Raises `Unavailable`."""
    new = store.ledger.end_new(entries)
    if len(new) < len(entries):
        metrics.REDELIVERED.labels(stage).inc(len(entries) - len(new))
    for entry in {entry.message_id: entry for entry in entries}.values():
        if entry.message_id in new:
            count_ending(entry)


def count_ending(entry: LedgerEntry) -> None:
    """One message more has reached its end."""
    metrics.ENDINGS.labels(entry.ending).inc()
    metrics.END_TO_END.observe(metrics.seconds_since(entry.received_at))
    if entry.ending is Ending.REJECTED:
        metrics.REJECTED.labels(RejectCode(entry.code)).inc()
