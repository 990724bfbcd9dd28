"""The last lines of this process's log, in memory, for the console and `tallystick logs`. What is never logged is not
here either: prompts, answers, keys, addresses of users.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import MutableMapping
from typing import Any

MOST = 2000
LONGEST = 4000
"""Characters of one value."""
LEVELS = ("debug", "info", "warning", "error", "critical")


class LogRing:
    """A structlog processor that keeps what passes."""

    def __init__(self, most: int = MOST) -> None:
        self._lines: deque[dict[str, Any]] = deque(maxlen=most)
        self._lock = threading.Lock()
        self._count = 0

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        values = {name: str(value)[:LONGEST] for name, value in event.items()}
        at, level, says = values.pop("timestamp", ""), values.pop("level", method), values.pop("event", "")
        with self._lock:
            self._count += 1
            self._lines.append({"number": self._count, "at": at, "level": level, "says": says, "values": values})
        return event

    def lines(self, level: str = "debug", search: str = "", after: int = 0, most: int = 500) -> list[dict[str, Any]]:
        """The newest of at least that level, whose text has every word of `search`, numbered above `after`; oldest
        first.
        """
        least = LEVELS.index(level) if level in LEVELS else 0
        words = search.lower().split()
        with self._lock:
            every = list(self._lines)
        found = [line for line in every if line["number"] > after and _rank(line["level"]) >= least]
        if words:
            found = [line for line in found if all(word in _text(line) for word in words)]
        return found[-most:]

    def clear(self) -> None:
        with self._lock:
            self._lines.clear()


class RingHandler(logging.Handler):
    """Other libraries' records go there too."""

    def __init__(self, ring: LogRing) -> None:
        super().__init__()
        self._ring = ring

    def emit(self, record: logging.LogRecord) -> None:
        from datetime import UTC, datetime

        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        said = {"event": record.getMessage(), "logger": record.name, "timestamp": at}
        self._ring(None, record.levelname.lower(), {**said, "level": record.levelname.lower()})


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _text(line: dict[str, Any]) -> str:
    return f"{line['says']} {line['level']} {' '.join(f'{k}={v}' for k, v in line['values'].items())}".lower()


RING = LogRing()
