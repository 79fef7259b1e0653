"""Logs as events with fields, one JSON object a line on standard error; no field ever holds PHI."""

import logging
import sys
import threading
from types import TracebackType
from typing import Any

import structlog

from streams.run.crash import traced

log = structlog.get_logger()


class Libraries(logging.Handler):
    """What other libraries say, as an event: who says it and where, and of an exception what may be told of it. Their
    texts never: they may be made of whatever a message or a person's row holds."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        say = log.error if record.levelno >= logging.ERROR else log.warning
        at = f"{record.module}:{record.lineno}"
        say("library", logger=record.name, at=at, **(traced(error) if error else {}))


def configure(level: str) -> None:
    """Sets structlog up for this process, and keeps other libraries, and exceptions that nobody catches, to warnings
    without their texts."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, Libraries) for handler in root.handlers):
        root.addHandler(Libraries(logging.WARNING))
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed


def _crashed(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> Any:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, tb)
    else:
        log.error("crashed", **traced(error))


def _thread_crashed(args: threading.ExceptHookArgs) -> Any:
    if args.exc_value is not None:
        log.error("thread_crashed", **traced(args.exc_value))
