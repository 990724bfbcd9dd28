"""Ranges of logs: each log once, those that vanish told of, small pieces where a chain's node wants them."""

from __future__ import annotations

import pytest

from tallystick_helper.chain.ranges import LogRange
from tallystick_shared.evm.rpc import RpcError

Log = tuple[int, str]


class Logs:
    """A contract's logs in memory: (block, name). `widest` is the largest range that is answered."""

    def __init__(self, *logs: Log) -> None:
        self.logs, self.asked, self.widest = list(logs), list[tuple[int, int]](), 10**9
        self.range: LogRange[Log] = LogRange(self.read, lambda log: log, start=2, reread=3)

    async def read(self, first: int, last: int) -> list[Log]:
        if last - first >= self.widest:
            raise RpcError(-32005, "too wide")
        self.asked.append((first, last))
        return [log for log in self.logs if first <= log[0] <= last]

    async def look(self, head: int) -> tuple[list[Log], set[tuple[object, ...]]]:
        change = await self.range.look(head)
        self.range.keep(change)
        return change.new, change.gone


async def test_each_log_comes_once() -> None:
    logs = Logs((3, "a"), (9, "b"))
    assert await logs.look(5) == ([(3, "a")], set())
    assert await logs.look(9) == ([(9, "b")], set())
    assert await logs.look(9) == ([], set())
    assert logs.asked == [(2, 5), (3, 9), (7, 9)]


async def test_nothing_before_the_start_is_read() -> None:
    logs = Logs((1, "before"), (2, "first"))
    assert await logs.look(4) == ([(2, "first")], set())
    assert logs.asked == [(2, 4)]


async def test_what_vanishes_is_told_once() -> None:
    logs = Logs((8, "a"), (9, "b"))
    await logs.look(9)
    logs.logs = [(8, "a"), (9, "other")]
    assert await logs.look(10) == ([(9, "other")], {(9, "b")})
    assert await logs.look(11) == ([], set())


async def test_a_chain_that_grew_shorter() -> None:
    logs = Logs((8, "a"), (12, "b"))
    await logs.look(12)
    logs.logs = [(8, "a")]
    assert await logs.look(10) == ([], {(12, "b")})


async def test_what_was_not_kept_is_found_again() -> None:
    logs = Logs((3, "a"))
    first = await logs.range.look(5)
    again = await logs.range.look(5)
    assert first.new == again.new == [(3, "a")] and first
    logs.range.keep(again)
    assert not await logs.range.look(5)


async def test_a_refused_range_is_asked_for_in_pieces() -> None:
    logs = Logs(*((number, "log") for number in range(2, 300, 7)))
    logs.widest = 40
    new, _ = await logs.look(300)
    assert new == logs.logs and all(last - first < 40 for first, last in logs.asked)
    logs.widest = 0
    with pytest.raises(RpcError):
        await logs.look(301)
