"""Single look-ups of channels, gathered: however many are asked for, few calls leave."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tallystick_shared import limits
from tallystick_shared.channel import ChannelState
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc

from .rates import Bucket, Rate

GATHER = 0.05
BATCH = limits.BACKFILL_IDS.value
FOR_STRANGERS = Rate(limits.BACKFILL_BURST.value, limits.BACKFILL_CALLS.value)


@dataclass(eq=False)
class Asked:
    """An id that nobody has the state of yet, and how many wait for it."""

    future: asyncio.Future[ChannelState]
    waiting: int = 0


class Backfill:
    """At most one `channelsOf` leaves every 50 ms, for 100 ids at the most; with a `pace` no more than it allows. An
    id for which nobody waits any more is not asked for.
    """

    def __init__(self, rpc: Rpc, channels: Channels, pace: Rate | None = None) -> None:
        self._rpc, self._channels, self._pace = rpc, channels, pace
        self._wanted: dict[bytes, Asked] = {}
        self._task: asyncio.Task[None] | None = None
        self._bucket: Bucket | None = None

    async def state(self, channel_id: bytes) -> ChannelState:
        """The contract's word. Raises LocalError RPC_UNREACHABLE or RpcError."""
        asked = self._wanted.get(channel_id)
        if asked is None:
            asked = self._wanted[channel_id] = Asked(asyncio.get_running_loop().create_future())
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        asked.waiting += 1
        try:
            return await asyncio.shield(asked.future)
        finally:
            asked.waiting -= 1
            if not asked.waiting and self._wanted.get(channel_id) is asked:
                del self._wanted[channel_id]

    async def _run(self) -> None:
        while self._wanted:
            await self._wait()
            some = {channel_id: self._wanted.pop(channel_id).future for channel_id in list(self._wanted)[:BATCH]}
            if some:
                await self._read(some)
                await asyncio.sleep(GATHER)
        self._task = None

    async def _wait(self) -> None:
        """Until the pace allows another call."""
        if self._pace is None:
            return
        clock = asyncio.get_running_loop().time
        self._bucket = self._bucket or Bucket(self._pace, clock())
        await asyncio.sleep(self._bucket.wait(clock()))
        self._bucket.left(clock())
        self._bucket.take()

    async def _read(self, some: dict[bytes, asyncio.Future[ChannelState]]) -> None:
        try:
            states = await self._channels.states(self._rpc, list(some))
        except Exception as error:
            for future in some.values():
                future.set_exception(error)
                future.exception()
            return
        for future, state in zip(some.values(), states, strict=True):
            future.set_result(state)
