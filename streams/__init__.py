"""The shell: sockets, Kafka, the store, the page and the commands around the two pure packages."""


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # of what is installed; most that start do not ask

    return version("warm-handoff")
