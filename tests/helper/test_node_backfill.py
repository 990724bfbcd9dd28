"""Look-ups of channels: many ids in a call, few calls, and none for those who left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tallystick_helper.node.backfill import BATCH, Backfill
from tallystick_helper.node.rates import Rate
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.channels import Channels

from .world import Serving, World, until


class Counting:
    """A chain's node that notes how many ids each call asked for; it answers once `go` is set."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked: list[int] = []
        self.go = asyncio.Event()
        self.go.set()

    async def request(self, method: str, params: list[Any]) -> Any:
        self.asked.append((len(params[0]["data"]) - 2 - 8 - 128) // 64)
        await self.go.wait()
        return await self._world.rpc.request(method, params)


class Bench:
    """Look-ups over a counted chain."""

    def __init__(self, world: World, pace: Rate | None = None) -> None:
        self.rpc = Counting(world)
        self.backfill = Backfill(self.rpc, Channels(world.crypto, world.where.channels), pace)


def ids(count: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in range(1, count + 1)]


async def test_many_look_ups_are_one_call(provider: Serving) -> None:
    bench = Bench(provider.world)
    channel_id = (await provider.deposit()).channel_id(provider.world.crypto)
    states = await asyncio.gather(*(bench.backfill.state(one) for one in [channel_id] * 50 + [b"\1" * 32] * 50))
    assert bench.rpc.asked == [2]
    assert [state.known for state in states] == [True] * 50 + [False] * 50


async def test_a_call_asks_for_a_hundred_at_most(world: World) -> None:
    bench = Bench(world)
    await asyncio.gather(*(bench.backfill.state(one) for one in ids(250)))
    assert bench.rpc.asked == [BATCH, BATCH, 50] and BATCH == 100


async def test_calls_keep_their_pace(world: World) -> None:
    """A thousand come one by one: the burst leaves at once, then so many a second, and the rest wait together."""
    bench, loop = Bench(world, Rate(3, 20.0)), asyncio.get_running_loop()
    began, looking = loop.time(), []
    for one in ids(1000):
        looking.append(asyncio.create_task(bench.backfill.state(one)))
        await asyncio.sleep(0)
    await asyncio.gather(*looking)
    assert sum(bench.rpc.asked) == 1000
    assert len(bench.rpc.asked) <= 3 + 20.0 * (loop.time() - began)
    assert len(bench.rpc.asked) <= 12


async def test_nobody_is_asked_for_who_left(world: World) -> None:
    bench = Bench(world)
    bench.rpc.go.clear()
    first = asyncio.create_task(bench.backfill.state(ids(1)[0]))
    await until(lambda: bench.rpc.asked)
    looking = [asyncio.create_task(bench.backfill.state(one)) for one in ids(60) for _ in range(2)]
    await asyncio.sleep(0)
    for task in looking[20:]:
        task.cancel()
    await asyncio.gather(*looking[20:], return_exceptions=True)
    bench.rpc.go.set()
    await asyncio.gather(first, *looking[:20])
    assert bench.rpc.asked == [1, 10]
    assert not bench.backfill._wanted


async def test_a_chain_that_is_down_is_told_to_all(world: World) -> None:
    class Down:
        async def request(self, method: str, params: list[Any]) -> Any:
            raise LocalError(Code.RPC_UNREACHABLE)

    backfill = Backfill(Down(), Channels(world.crypto, world.where.channels))
    outcomes = await asyncio.gather(*(backfill.state(ids(1)[0]) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, LocalError) for outcome in outcomes)
    with pytest.raises(LocalError):
        await backfill.state(ids(1)[0])
