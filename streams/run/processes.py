"""The processes of Warm Handoff: each with the word that starts it, the port of its health and where it says so."""

from typing import Final, NamedTuple

from streams.run.settings import Settings


class Process(NamedTuple):
    """One process. `role` is its command."""

    role: str
    port_setting: str  # name of the setting with the port of its /metrics, /healthz and /readyz
    place: str = ""  # file in the data folder in which it writes the port it really has; "" where it writes none

    def port(self, settings: Settings) -> int:
        """The port that is configured; 0 for any that is free."""
        return int(getattr(settings, self.port_setting))


PROCESSES: Final = (  # in the order of their start
    Process("work", "work_metrics_port", "worker.json"),
    Process("listen", "listen_metrics_port", "listener.json"),
    Process("inbox", "inbox_metrics_port", "inbox.json"),
    Process("tell", "tell_metrics_port"),
)
PLACES: Final = {process.role: process.place for process in PROCESSES if process.place}
