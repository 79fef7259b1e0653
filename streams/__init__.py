"""The shell: sockets, Kafka, the store, the page and the commands around the two pure packages."""

from importlib.metadata import version

__version__ = version("warm-handoff")
