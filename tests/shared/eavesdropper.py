"""Who sees the wire: when a message passed, from whom, and how long it was. Nothing else of it.

`Tapped` is a pair whose time goes from deadline to deadline, as a driver's would, and which notes that much. `check`
tells what breaks constant shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tallystick_shared.session.client_stream import INPUT_PIECE
from tallystick_shared.session.shape import Beat, Shape, padded_count
from tests.shared.pair import Pair

OVERHEAD = 17  # a frame's type and the tag
FLIGHT = 4096 + OVERHEAD
EPSILON = 1e-6


@dataclass(frozen=True)
class Seen:
    """One message: seconds, `client` or `provider`, bytes."""

    at: float
    sender: str
    size: int


@dataclass
class Tapped(Pair):
    """`seen_by` is all that passed; `opened` with `lengths` is when somebody asked and how many bytes, `urgent` when
    CANCEL left.
    """

    seen_by: list[Seen] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    urgent: list[float] = field(default_factory=list)
    late: Callable[[], float] = lambda: 0.0
    """How much later than it asked a side is told of time."""

    def _deliver(self, sender: str, messages: list[bytes]) -> bool:
        self.seen_by += [Seen(self.now, sender, len(message)) for message in messages]
        return super()._deliver(sender, messages)

    def ask(self, text: bytes = b"x" * 160, max_units: int = 1000, service: str = "chat") -> int:
        self.client.now = self.now
        stream = super().ask(text, max_units, service)
        self.opened.append(self.now)
        self.lengths.append(len(text))
        return stream

    def cancel(self, stream: int) -> None:
        self.urgent.append(self.now)
        self.client.cancel(stream)
        self.settle()

    def let_pass(self, seconds: float) -> None:
        """From deadline to deadline; each side is told of time exactly when it asked to be."""
        end = self.now + seconds
        while True:
            wanted = [at for side in (self.client, self.provider) if (at := side.next_deadline()) is not None]
            first = min((at for at in wanted if at <= end), default=None)
            self.now = end if first is None else max(self.now, min(end, first + self.late()))
            for side in (self.client, self.provider):
                if (at := side.next_deadline()) is not None and at <= self.now:
                    side.tick(self.now)
            self.settle()
            if self.now >= end:
                return

    def rest(self, limit: float = 600.0) -> None:
        """Until neither side wants time any more. Fails where that takes too long."""
        end = self.now + limit
        while any(side.next_deadline() is not None for side in (self.client, self.provider)):
            assert self.now < end, "the cadence never stops"
            self.let_pass(1.0)

    def view(self) -> list[tuple[float, str, int]]:
        """All that passed, to the tenth of a millisecond: to compare sessions with."""
        return [(round(seen.at, 4), seen.sender, seen.size) for seen in self.seen_by]

    def heard(self, sender: str) -> list[Seen]:
        return [seen for seen in self.seen_by if seen.sender == sender]


def padded_input(length: int) -> int:
    """Records of 4 KiB that carry an input of so many bytes: a power of two."""
    records = max(1, -(-length // INPUT_PIECE))
    return 1 << (records - 1).bit_length()


def is_close(left: float, right: float) -> bool:
    return abs(left - right) < EPSILON


def check_beats(records: list[Seen], beat: Beat, starts: list[float], *, series: bool) -> None:
    """One record of the class's size at every beat since a start, and none besides. Where the beats stop, a start
    follows or nothing; with `series`, their number is one of the series.
    """
    last, counts = None, {0}
    for record in records:
        assert record.size == beat.size + OVERHEAD, record
        due = record.at - beat.interval
        started = any(is_close(start, due) for start in starts)
        goes_on = last is not None and is_close(last, due)
        ended = not last or not series or any(padded_count(count) == count for count in counts)
        assert goes_on or (started and ended), (record, counts)
        # Where a question comes with the very last beat of a tail, both are possible.
        counts = ({count + 1 for count in counts} if goes_on else set()) | ({1} if started and ended else set())
        last = record.at
    assert not series or any(padded_count(count) == count for count in counts), counts


def check(pair: Tapped, shape: Shape) -> None:
    """Every record of both sides has its class's size and beat, but for the flight of OPEN (a record of the class
    with the voucher, OPEN and input of 4 KiB in a power of two) and a CANCEL.
    """
    check_beats(pair.heard("provider"), shape.down, pair.opened, series=True)
    up = pair.heard("client")
    for at in pair.urgent:
        up.remove(Seen(at, "client", shape.up.size + OVERHEAD))
    for at, length in zip(pair.opened, pair.lengths, strict=True):
        up.remove(Seen(at, "client", shape.up.size + OVERHEAD))
        for _ in range(1 + padded_input(length)):
            up.remove(Seen(at, "client", FLIGHT))
    check_beats(up, shape.up, pair.opened, series=False)
