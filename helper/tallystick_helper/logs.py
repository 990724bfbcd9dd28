"""Logging: one line of JSON each on stderr, or a readable one on a terminal. Prompts, answers, keys and users'
addresses are never logged.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str = "info") -> None:
    """Sets up structlog for this process; other libraries' records at WARNING and above go the same way."""
    number = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    on_terminal = sys.stderr.isatty()
    processors.append(structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer())
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What strangers send wrong is no news, and would fill a disk.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.basicConfig(
        level=logging.WARNING, format="%(name)s %(levelname)s %(message)s", stream=sys.stderr, force=True
    )
