"""The hours of the week in which a node rents out: `mon-fri 18:00-08:00`, `sat,sun`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from tallystick_shared.errors import Code, LocalError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60
WEEK = 7 * DAY
_SPAN = re.compile(r"(?P<days>[a-z,-]+|\*)(?:\s+(?P<begin>\d{1,2}:\d{2})-(?P<end>\d{1,2}:\d{2}))?")


@dataclass(frozen=True)
class Schedule:
    """Spans of minutes since Monday 00:00, each with its length; without any the node rents out always."""

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, texts: list[str]) -> Schedule:
        """Raises LocalError BAD_SETTINGS."""
        return cls(tuple(span for text in texts for span in _spans(text)))

    def open_at(self, moment: datetime) -> bool:
        """Is it rented out then? `moment` is in the zone that the hours are meant in."""
        now = moment.weekday() * DAY + moment.hour * 60 + moment.minute
        return not self.spans or any((now - begin) % WEEK < length for begin, length in self.spans)


def _spans(text: str) -> list[tuple[int, int]]:
    found = _SPAN.fullmatch(text.strip().lower())
    days = _days(found["days"]) if found else None
    if found is None or days is None:
        raise LocalError(Code.BAD_SETTINGS, hours=text, reason="write it like `mon-fri 18:00-08:00`, or `sat,sun`")
    begin, end = _minute(text, found["begin"] or "0:00"), _minute(text, found["end"] or "24:00")
    length = end - begin if end > begin else end + DAY - begin  # over midnight, into the next day
    return [(day * DAY + begin, length) for day in days]


def _days(text: str) -> list[int] | None:
    if text == "*":
        return list(range(7))
    days: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            return None
        start, count = DAYS.index(first), (DAYS.index(last or first) - DAYS.index(first)) % 7 + 1
        days += [(start + step) % 7 for step in range(count)]
    return days


def _minute(text: str, time: str) -> int:
    hour, minute = map(int, time.split(":"))
    if minute > 59 or hour * 60 + minute > DAY:
        raise LocalError(Code.BAD_SETTINGS, hours=text, reason=f"{time} is no time of day")
    return hour * 60 + minute
