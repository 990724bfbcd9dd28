"""Logging: one line of JSON each on stderr, or a readable one on a terminal. Prompts, answers, keys and users'
addresses are never logged. Of an exception there are its type and where it was, but not its own message: that may quote
what was being worked on.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import TextIO, cast

import structlog

from .log_ring import RING, RingHandler

Fault = tuple[type[BaseException], BaseException, TracebackType | None]


def told(error: BaseException, seen: frozenset[int] = frozenset()) -> str:
    """Types and frames of an exception, of those behind it and of those in a group, oldest first. `seen` are the ids of
    those on the way here: an exception can stand behind itself.
    """
    lines: list[str] = []
    seen |= {id(error)}
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if behind is not None and id(behind) not in seen:
        lines += [told(behind, seen), "", "Then:"]
    lines += ["Traceback (most recent call last):", "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")]
    lines.append(type(error).__name__)
    if isinstance(error, BaseExceptionGroup):
        lines += [told(one, seen) for one in error.exceptions if id(one) not in seen]
    return "\n".join(lines)


class _Plain(logging.Formatter):
    """For other libraries' records."""

    def formatException(self, ei: object) -> str:
        fault = ei[1] if isinstance(ei, tuple) else None
        return told(fault) if isinstance(fault, BaseException) else ""


def _rendered(exc_info: Fault) -> str:
    return told(exc_info[1])


class _Stderr:
    """What stderr is when a line is written: it may be another than at the start, and the first one closed."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(level: str = "info") -> None:
    """Sets up structlog for this process; other libraries' records at WARNING and above go the same way."""
    number = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_rendered),
        RING,
    ]
    stderr = cast(TextIO, _Stderr())
    on_terminal = sys.stderr.isatty()
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    processors.append(plain if on_terminal else structlog.processors.JSONRenderer())
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stderr),
        cache_logger_on_first_use=True,
    )
    # What strangers send wrong is no news, and would fill a disk.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(_Plain("%(name)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler, RingHandler(RING)], force=True)
