"""How deep a deposit must lie in the chain before all of it counts, and what is served meanwhile.

The last blocks of a chain can still be replaced, and a payer who can bring that about takes back a deposit that was
served for. Whether that is worth it grows with the deposit. So of a channel counts what stood on chain so many blocks
ago: one for each `step` of its cap, at most `most`. What a newer deposit, or a newer top-up, would be served beyond
that is credit. All such credit together stays within one budget of the node, and a channel that finds no room there
waits for a few seconds, then is refused with UNCONFIRMED: the deposit is good, so it may try again.

The credit is counted in memory. A node that starts again counts it anew, from what its ledger says is owed and what
the chain says by then: else a restart would give whoever takes deposits back the whole budget a second time.

With `most` 1 the newest block is deep enough, and nothing is ever asked here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from tallystick_shared.channel import ChannelState
from tallystick_shared.errors import PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc, RpcError

from ..chain.follower import BATCH, Follower
from ..ledger import ChannelRow
from .budget import Budget

YOUNG = "the deposit is young"
PATIENCE = 4.0
"""Seconds that a voucher waits for the next block; a paused answer is given up after five."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Depths:
    """`most`: the blocks, its own among them, in which a deposit must lie so that all of it counts; `step`: the part of
    a cap for which one block is enough (smallest units).
    """

    most: int = 1
    step: int = 0

    def needed(self, cap: int) -> int:
        """Blocks for a cap of so much."""
        return min(self.most, 1 + cap // self.step) if self.step else self.most


@dataclass
class Young:
    """A channel served on credit: how deep its payee sits, up to what total it may be owed, what of its cap counted at
    which head, and since which block it is gone from the chain.
    """

    depth: int
    owed: int
    counted: int
    head: str
    gone_at: int | None = None


class Confirmations:
    """Asked before a channel may come to owe more; looks again at each block."""

    def __init__(self, rpc: Rpc, channels: Channels, follower: Follower, depths: Depths, budget: Budget) -> None:
        self._rpc, self._channels, self._follower = rpc, channels, follower
        self._depths, self._budget = depths, budget
        self.patience = PATIENCE
        self._young: dict[bytes, Young] = {}
        self._block = asyncio.Event()

    async def counted(self, channel_id: bytes, depth: int) -> int:
        """What counts of this payee's cap: of a channel that is gone, nothing."""
        known, head = self._follower.table.get(channel_id), self._follower.head.hash
        if known is None:
            return 0
        cap = known.state.cap(depth)
        needed = self._depths.needed(cap)
        if needed <= 1:
            return cap
        young = self._young.get(channel_id)
        if young is not None and young.head == head:
            return min(cap, young.counted)
        counted = min(cap, (await self._before([channel_id], needed))[0].cap(depth))
        if young is not None:
            young.counted, young.head = counted, head
        return counted

    async def _before(self, ids: list[bytes], blocks: int) -> list[ChannelState]:
        """What the contract said in the block on top of which `blocks` - 1 others lie, of at most `BATCH` channels;
        nothing where that cannot be read: the contract may be younger itself.
        """
        nothing, number = [ChannelState(0, 0, 0)] * len(ids), self._follower.head.number + 1 - blocks
        if number < 0:
            return nothing
        try:
            return await self._channels.states(self._rpc, ids, number)
        except (TallystickError, RpcError) as error:
            log.info("unread_block", block=number, reason=str(error)[:200])
            return nothing

    async def cover(self, channel_id: bytes, depth: int, owed: int) -> int:
        """This channel may come to owe `owed` in all. Returns what counts of its cap by now. Raises PeerError
        UNCONFIRMED where that is not enough, the budget has no room for the rest, and no block of the next few seconds
        changes it.
        """
        end = asyncio.get_running_loop().time() + self.patience
        while True:
            if self._block.is_set():
                self._block = asyncio.Event()
            block, head = self._block, self._follower.head.hash
            counted = await self.counted(channel_id, depth)
            self._settle(channel_id, counted)
            if owed <= counted:
                return counted
            try:
                self._budget.take(YOUNG, channel_id, owed - counted)
            except PeerError:
                left = end - asyncio.get_running_loop().time()
                if left <= 0:
                    raise
                await _set_within(block, left)
                continue
            young = self._young.setdefault(channel_id, Young(depth, owed, counted, head))
            young.owed = max(young.owed, owed)
            return counted

    async def restore(self, rows: Iterable[ChannelRow]) -> None:
        """After a start: what an earlier process did on credit is credit still."""
        served = [row for row in rows if row.owed and self._depths.most > 1]
        for at in range(0, len(served), BATCH):
            some = served[at : at + BATCH]
            deepest = await self._before([row.channel_id for row in some], self._depths.most)
            for row, state in zip(some, deepest, strict=True):
                depth, head = len(row.proof), self._follower.head.hash
                counted = state.cap(depth)
                if row.owed > counted:
                    counted = await self.counted(row.channel_id, depth)
                if row.owed > counted:
                    self._young[row.channel_id] = Young(depth, row.owed, counted, head)
                    self._budget.owe(YOUNG, row.channel_id, row.owed - counted)

    def _settle(self, channel_id: bytes, counted: int) -> None:
        """So much of its cap is no credit any longer."""
        young = self._young.get(channel_id)
        if young is not None:
            self._budget.lower(YOUNG, channel_id, young.owed - counted)
            if young.owed <= counted:
                del self._young[channel_id]

    async def look(self) -> None:
        """After a block: what is deep enough by now is no credit any longer. What a reorganisation took away is lost;
        it leaves the budget once that is as old as the deepest deposit must be.
        """
        for channel_id, young in list(self._young.items()):
            number = self._follower.head.number
            if self._follower.table.get(channel_id) is not None:
                young.gone_at = None
                self._settle(channel_id, await self.counted(channel_id, young.depth))
            elif young.gone_at is None:
                young.gone_at = number
                log.error("deposit_taken_back", channel=channel_id.hex(), credit=self._budget.share(YOUNG, channel_id))
            elif number - young.gone_at >= self._depths.most:
                self._settle(channel_id, young.owed)
        self._block.set()


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
