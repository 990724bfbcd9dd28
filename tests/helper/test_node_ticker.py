"""One timer for all: deadlines in order, replaced, taken away."""

from __future__ import annotations

import asyncio

from tallystick_helper.node.ticker import Ticker


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
