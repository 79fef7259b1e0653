"""Settings in, the routes of this process out."""

from rules.telling.routes import Routes
from rules.telling.routes_file import default_routes, load_routes
from streams.run.problems import Problem
from streams.run.settings import Settings


def routes_of(settings: Settings) -> Routes:
    """The configured routes, else the shipped ones. Raises `Problem` naming every fault."""
    if settings.routes is None:
        return default_routes()
    try:
        text = settings.routes.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Problem(f"{settings.routes} (HANDOFF_ROUTES) cannot be read") from None
    routes = load_routes(text)
    if isinstance(routes, list):
        faults = "\n".join(f"  {fault.place} {fault.message}" for fault in routes)
        raise Problem(f"{settings.routes} has faults:\n{faults}")
    return routes
