"""One timer for all: deadlines in order, replaced, taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.node.ticker import SPARE, Ticker
from tallystick_shared.session.shape import TEXT

from ..shared.eavesdropper import EPSILON, Tapped


class Member:
    def __init__(self, ticker: Ticker, again: float = 0.0, times: int = 1) -> None:
        self.ticker, self.again, self.left = ticker, again, times
        self.ticks: list[float] = []
        self.done = asyncio.Event()

    def tick(self, now: float) -> None:
        self.ticks.append(now)
        self.left -= 1
        if self.left:
            self.ticker.want(self, now + self.again)
        else:
            self.done.set()


async def test_deadlines_come_in_time_and_again() -> None:
    ticker = Ticker()
    members = [Member(ticker, 0.01, 3), Member(ticker, 0.005, 5)]
    start = ticker.now()
    for member in members:
        ticker.want(member, start + 0.01)
    await asyncio.gather(*(member.done.wait() for member in members))
    for member in members:
        assert member.ticks == sorted(member.ticks)
        assert member.ticks[0] >= start + 0.01
    ticker.close()


async def test_an_earlier_deadline_replaces_a_later_one() -> None:
    ticker = Ticker()
    member, late = Member(ticker), ticker.now() + 100
    ticker.want(member, late)
    ticker.want(member, ticker.now() + 0.01)
    await member.done.wait()
    assert len(member.ticks) == 1
    assert member.ticks[0] < late
    ticker.close()


async def test_a_deadline_taken_away_does_not_come() -> None:
    ticker = Ticker()
    gone, other = Member(ticker), Member(ticker)
    ticker.want(gone, ticker.now() + 0.005)
    ticker.want(gone, None)
    ticker.want(other, ticker.now() + 0.01)
    await other.done.wait()
    assert gone.ticks == []
    ticker.close()


class Wakeup:
    """A wake-up of the clock below."""

    def __init__(self, clock: Clockwork, when: float, callback: Callable[[], None]) -> None:
        self._clock, self._when, self._callback = clock, when, callback

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        self._clock.pending.remove(self)

    def ring(self) -> None:
        self._callback()


class Clockwork:
    """A clock that moves from wake-up to wake-up; `most` is how many were ever pending at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pending: list[Wakeup] = []
        self.most = 0
        self.rung = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Wakeup:
        made = Wakeup(self, when, callback)
        self.pending.append(made)
        self.most = max(self.most, len(self.pending))
        return made

    def run(self, until: float) -> None:
        while self.pending and (first := min(self.pending, key=Wakeup.when)).when() <= until:
            self.pending.remove(first)
            self.now = max(self.now, first.when())
            self.rung += 1
            first.ring()


class Beating:
    """A pair of sessions whose provider the ticker drives; its client is told of time just before."""

    def __init__(self, ticker: Ticker, pair: Tapped) -> None:
        self.ticker, self.pair = ticker, pair
        self.want()

    def want(self) -> None:
        wanted = [at for side in (self.pair.client, self.pair.provider) if (at := side.next_deadline()) is not None]
        self.ticker.want(self, min(wanted, default=None))

    def tick(self, now: float) -> None:
        self.pair.now = now
        for side in (self.pair.client, self.pair.provider):
            side.tick(now)
        self.pair.settle()
        self.want()


def test_one_timer_serves_all_streams_of_a_process() -> None:
    """Forty connections with eight streams each, begun one after another: one pending wake-up, every beat of all."""
    clock, crypto = Clockwork(), NativeCrypto()
    ticker = Ticker(clock)
    pairs = []
    for number in range(40):
        pair = Tapped(crypto, now=number * 0.0037, suite=1).connect()
        assert isinstance(pair, Tapped)
        pair.client.now = pair.now
        pair.seen_by.clear()
        for _ in range(8):
            pair.engine(pair.ask(), 20)
        Beating(ticker, pair)
        pairs.append(pair)
    clock.run(until=5.0)
    assert clock.most == 1
    for pair in pairs:
        times = [seen.at for seen in pair.heard("provider")]
        assert 48 <= len(times) <= 50
        for count, at in enumerate(times, 1):
            assert abs(at - pair.opened[0] - count * TEXT.down.interval) < EPSILON
    ticker.close()
    assert not clock.pending


class Restless:
    """Changes its deadline at every tick of another."""

    def __init__(self) -> None:
        self.ticks = 0

    def tick(self, now: float) -> None:
        self.ticks += 1


def test_replaced_deadlines_do_not_pile_up() -> None:
    clock = Clockwork()
    ticker = Ticker(clock)
    members = [Restless() for _ in range(10)]
    for turn in range(2000):
        for member in members:
            ticker.want(member, 1000.0 + turn)
        assert len(ticker._heap) <= 2 * len(members) + SPARE + 1
    clock.run(until=5000.0)
    assert [member.ticks for member in members] == [1] * 10
    ticker.close()
