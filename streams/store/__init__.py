"""The store: what must be remembered, on SQLite or PostgreSQL by URL. Synchronous; callers run it in a thread."""

from streams.store.deciding import Outcome
from streams.store.engine import Damaged, StoreFault, Unavailable
from streams.store.migrating import MigrationState, StoreOutdated, TablesAre
from streams.store.store import Store

__all__ = ["Damaged", "MigrationState", "Outcome", "Store", "StoreFault", "StoreOutdated", "TablesAre", "Unavailable"]
