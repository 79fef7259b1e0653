"""The store: what must be remembered, on SQLite or PostgreSQL by URL. Synchronous; callers run it in a thread."""

from streams.store.database import Damaged, StoreFault, Unavailable
from streams.store.migrating import MigrationState, StoreOutdated, TablesAre
from streams.store.store import Store
from streams.store.workspace import Outcome

__all__ = ["Damaged", "MigrationState", "Outcome", "Store", "StoreFault", "StoreOutdated", "TablesAre", "Unavailable"]
