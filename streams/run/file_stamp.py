"""A file in; a value that is another one after the file changed, out."""

from pathlib import Path

Stamp = tuple[int, int, int]


def stamp(path: Path | None) -> Stamp | None:
    """`None`: there is none to read."""
    try:
        status = None if path is None else path.stat()
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)
