"""The shape of the traffic: while a stream is live, one record of one size at every beat, full or empty.

Sizes and times of records would tell an eavesdropper what is being said. So a connection beats at a constant pace from
OPEN until the end of a tail, whose length is rounded up to a coarse series. Section 6 of the protocol.

The class goes by the service (`tallystick_shared.services`) and belongs to the connection: it changes only at rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_shared.services import Traffic, traffic_of

FAREWELL = 1.0
FAREWELL_LIMIT = 5.0


@dataclass(frozen=True)
class Beat:
    """One direction's pace: seconds between records, and their size in bytes."""

    interval: float
    size: int


@dataclass(frozen=True)
class Shape:
    """Both directions of a class of traffic. At `full_rate` a record that is full does not wait for its beat on the
    way down: then only its size and the padded total are constant.
    """

    down: Beat
    up: Beat
    full_rate: bool = False

    @property
    def farewell(self) -> int:
        """Beats after END, before the padding starts to count: a second, in which the last voucher comes and is
        acknowledged. So nothing of that happens outside of the tail.
        """
        return math.ceil(FAREWELL / self.down.interval)

    @property
    def quiet(self) -> float:
        """Seconds without a record after which a client takes it that the tail is over."""
        return max(FAREWELL, 3 * self.down.interval)


TEXT = Shape(Beat(0.100, 512), Beat(0.500, 256))
RICH = Shape(Beat(0.100, 4096), Beat(0.100, 4096))
BULK = Shape(Beat(0.500, 16384), Beat(0.500, 4096), full_rate=True)
LOW_LATENCY = Shape(Beat(0.040, 256), Beat(0.200, 256))

SHAPES: Mapping[Traffic, Shape] = {
    Traffic.TEXT: TEXT,
    Traffic.RICH: RICH,
    Traffic.BULK: BULK,
    Traffic.LOW_LATENCY: LOW_LATENCY,
}


def shape_of(flags: int, service: str) -> Shape:
    """The shape of a connection with these flags of HELLO, while it serves this."""
    return SHAPES[traffic_of(flags, service)]


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

    def early(self, now: float) -> None:
        """A record leaves ahead of its beat; the next beat is one interval from now."""
        self.count += 1
        self.next = now + self.beat.interval

    def put_off(self, now: float) -> None:
        """Leaves out a beat that is due."""
        if self.running and now >= self.next:
            self.next = now + self.beat.interval


class Tail:
    """How long a provider's cadence goes on after its last stream ended: to the next count of the series."""

    def __init__(self) -> None:
        self.target = 0
        """The count of records at which the cadence stops; 0 while a stream is live."""
        self._since = 0.0
        self._farewell = 0

    def begin(self, count: int, farewell: int, now: float) -> None:
        """The last stream ended with the record after `count` others."""
        self.target, self._farewell, self._since = padded_count(count + 1 + farewell), farewell, now

    def clear(self) -> None:
        """A stream was opened."""
        self.target = 0

    def room(self, count: int) -> bool:
        """True where padding may still leave at full rate: all of it but the farewell, which keeps its beats."""
        return count < self.target - self._farewell

    def over(self, count: int, now: float, *, waiting: bool, owing: bool) -> bool:
        """Is this the end? Where a record still waits, or (for a while) a voucher is still to come, the tail goes on
        to the next count of the series, so that its end tells no more than before.
        """
        if not self.target or count < self.target:
            return False
        if waiting or (owing and now - self._since < FAREWELL_LIMIT):
            self.target = padded_count(count + 1)
            return False
        self.target = 0
        return True
