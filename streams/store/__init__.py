"""The store: what must be remembered, on SQLite or PostgreSQL by URL. Synchronous; callers run it in a thread.

What is named here is loaded when it is asked for: the listener, which needs `Unavailable`, loads no panel.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.store.database import Damaged, StoreFault, Unavailable
    from streams.store.revisions import MigrationState, StoreOutdated, TablesAre
    from streams.store.store import Store
    from streams.store.workspace import Outcome

_ROOMS = {
    "database": ("Damaged", "StoreFault", "Unavailable"),
    "revisions": ("MigrationState", "StoreOutdated", "TablesAre"),
    "store": ("Store",),
    "workspace": ("Outcome",),
}
_WHERE = {name: f"{__name__}.{room}" for room, names in _ROOMS.items() for name in names}

__all__ = ["Damaged", "MigrationState", "Outcome", "Store", "StoreFault", "StoreOutdated", "TablesAre", "Unavailable"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
