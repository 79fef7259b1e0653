"""The store: what must be remembered, on SQLite or PostgreSQL by URL. Synchronous; callers run it in a thread."""

from streams.store.deciding import Outcome
from streams.store.engine import StoreFault, Unavailable
from streams.store.migrating import MigrationState, StoreOutdated, TablesAre
from streams.store.store import Store

__all__ = ["MigrationState", "Outcome", "Store", "StoreFault", "StoreOutdated", "TablesAre", "Unavailable"]
