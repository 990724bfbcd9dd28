"""When the key of a direction has served long enough (Noise, section 11.3).

A REKEY record is the last one under its key. The sender sends it before 2^14 records or 15 minutes are over, padded
like the record that it goes before; while a cadence runs it takes a beat of its own, so that it cannot be told from
what leaves at any other. Where it stands follows from the number and the times of the records alone, which everybody
on the way sees anyway. A connection that says nothing renews its key before it speaks again.
"""

from __future__ import annotations

RECORDS = 1 << 14
SECONDS = 900.0


class KeyAge:
    """What one key has done: records, and since when (seconds of the clock that is handed in)."""

    def __init__(self, now: float = 0.0) -> None:
        self.records = 0
        self.since = now

    def due(self, now: float) -> bool:
        """Must the next record be REKEY?"""
        return self.records >= RECORDS - 1 or now - self.since >= SECONDS

    @property
    def overdue(self) -> bool:
        """Did more records come under this key than may?"""
        return self.records > RECORDS
