"""The shape of the traffic: while a stream is live, one record of one size at every beat, full or empty.

Sizes and times of records would tell an eavesdropper what is being said. So a connection beats at a constant pace
from OPEN until the end of
a tail, whose length is rounded up to a coarse series. Section 6 of the protocol.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Beat:
    """One direction's pace: seconds between records, and their size in bytes."""

    interval: float
    size: int


@dataclass(frozen=True)
class Shape:
    """Both directions of a class of traffic."""

    down: Beat
    up: Beat


TEXT = Shape(Beat(0.100, 512), Beat(0.500, 256))
LOW_LATENCY = Shape(Beat(0.040, 256), Beat(0.200, 256))


def padded_count(count: int) -> int:
    """The next value of a series that grows by a quarter: 10, 13, 17, 22, 28, …"""
    value = 10
    while value < count:
        value = -(-value * 5 // 4)
    return value


class Cadence:
    """A metronome over a clock that is handed in. It never sends a burst: beats that were missed are dropped."""

    def __init__(self, beat: Beat) -> None:
        self.beat = beat
        self.running = False
        self.count = 0
        self.next = 0.0

    def start(self, now: float) -> None:
        """Starts, if it is not running; the first beat is one interval from now."""
        if not self.running:
            self.running, self.count, self.next = True, 0, now + self.beat.interval

    def stop(self) -> None:
        self.running = False

    def due(self, now: float) -> bool:
        """True once a beat; then the next one is set."""
        if not self.running or now < self.next:
            return False
        self.count += 1
        self.next += self.beat.interval
        if self.next <= now:
            self.next = now + self.beat.interval
        return True
