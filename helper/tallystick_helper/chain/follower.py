"""Follows the Channels contract by its logs.

Each look reads the newest block; where it is new, the logs since the last one are read, and the last few blocks once
more (`ranges`). Where that shows a reorganisation, the channels concerned are read from the contract, whose word
counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from tallystick_shared.channel import ChannelState
from tallystick_shared.errors import TallystickError
from tallystick_shared.evm.channels import ChannelLog, Channels
from tallystick_shared.evm.rpc import Rpc, RpcError, to_int

from ..ledger import Ledger
from .closings import Closings
from .ranges import REREAD, Change, LogRange
from .table import ChannelTable

BATCH = 100
HEADS = 128
PATIENCE = 5
"""So many looks in a row may end below the newest block that was seen before the chain is believed to be shorter."""
log = structlog.get_logger(__name__)
Key = tuple[int, str, str, str, bytes, int]


@dataclass(frozen=True)
class Head:
    """The newest block seen: number, hash, timestamp (Unix seconds)."""

    number: int
    hash: str
    time: int


def _key(entry: ChannelLog) -> Key:
    total = entry.values.get("cumulative", entry.values.get("deposit", 0))
    return (entry.block, entry.block_hash, entry.transaction, entry.name, entry.channel_id, total)


class Follower:
    """Keeps `table` as the contract's logs say; hands every new log to `on_log` once."""

    def __init__(
        self,
        rpc: Rpc,
        channels: Channels,
        ledger: Ledger,
        table: ChannelTable,
        *,
        start: int = 0,
        interval: float = 2.0,
        reread: int = REREAD,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`start`: the block in which the contract was deployed; `interval`: seconds between looks; `clock`: Unix
        seconds.
        """
        self._rpc, self._channels, self._ledger, self.table = rpc, channels, ledger, table
        self._start, self._interval = start, interval
        self._range = LogRange(lambda first, last: channels.logs(rpc, first, last), _key, start=start, reread=reread)
        self.closings = Closings(ledger)
        self.head = Head(-1, "", 0)
        self._behind, self._clock = 0, clock
        self._heads: list[Head] = []
        self._reread = reread
        self._ahead: dict[bytes, int] = {}
        self.on_logs: list[Callable[[Change[ChannelLog]], Awaitable[None]]] = []
        """Told of every change of the logs, before the table is."""
        self.on_block: list[Callable[[], Awaitable[None]]] = []

    def now(self) -> int:
        """The chain's time, in Unix seconds: of the newest block, or this machine's where that is later."""
        return max(self.head.time, int(self._clock()))

    async def put_ahead(self, channel_id: bytes, state: ChannelState) -> None:
        """A state that was read before its logs were, or long after. It is read again with the next heads until its
        `Opened` is seen, or would have been: else a reorganisation of just these blocks would leave it here for good.
        """
        closing = await self.closings.of(channel_id)
        self.table.put(channel_id, state, closing=closing if self.table.get(channel_id) is None else None)
        if state.known:
            self._ahead[channel_id] = self.head.number

    async def prepare(self) -> None:
        """Reads the state of every channel in the ledger, and finds the block to go on from."""
        await self.closings.prepare()
        rows = await self._ledger.live_channels()
        await self.read([row.channel_id for row in rows])
        for row in rows:
            known = self.table.get(row.channel_id)
            if known is not None:
                self.table.put(row.channel_id, known.state, closing=row.closing)
        cursor = await self._ledger.cursor()
        if cursor and cursor[0] >= self._start and await self._hash_of(cursor[0]) == cursor[1]:
            self._range.next = cursor[0] + 1

    async def _hash_of(self, number: int) -> str:
        block = await self._rpc.request("eth_getBlockByNumber", [hex(number), False])
        return str(block["hash"]) if block else ""

    async def run(self) -> None:
        """Looks for ever. A chain that does not answer, or answers nonsense, is asked again at the next beat."""
        while True:
            try:
                await self.look()
            except (TallystickError, RpcError) as error:
                log.warning("chain_unreadable", error=str(error))
            except Exception:
                log.exception("chain_unreadable")
            await asyncio.sleep(self._interval)

    async def look(self) -> bool:
        """Reads what is new. True where there was a new block."""
        block = await self._rpc.request("eth_getBlockByNumber", ["latest", False])
        head = Head(to_int(block["number"]), block["hash"], to_int(block["timestamp"]))
        if head.hash == self.head.hash:
            return False
        if self._lags(head):
            return False
        torn = await self._torn(head, str(block.get("parentHash")))
        change = await self._range.look(head.number)
        await self._take(change)
        if torn:
            await self.read(self.table.ids())
        self._range.keep(change)
        self._remember(head)
        await self._ledger.store_cursor(head.number, head.hash)
        for listener in self.on_block:
            await listener()
        return True

    async def _torn(self, head: Head, parent: str) -> bool:
        """Is the newest block seen before no longer a part of this chain? It was taken back, or it never was there: a
        chain's node may tell of a head that is not. Then logs are read from the last one on that is.
        """
        if not self._heads or parent == self.head.hash:
            return False
        for known in reversed(self._heads):
            if known.number <= head.number and await self._hash_of(known.number) == known.hash:
                self._range.next = min(self._range.next, known.number + 1)
                return known is not self._heads[-1]
        self._range.next = self._start
        return True

    def _remember(self, head: Head) -> None:
        """The newest heads, and of older ones every second, fourth … so that far back some are known."""
        self.head = head
        self._heads = [one for one in self._heads if one.number < head.number] + [head]
        if len(self._heads) > HEADS:
            older = len(self._heads) // 2
            self._heads[:older] = self._heads[:older:2]

    def _lags(self, head: Head) -> bool:
        """Does the chain's node lag? What it cannot see yet must not look like a reorganisation."""
        self._behind = self._behind + 1 if head.number < self.head.number else 0
        if self._behind == 1:
            log.warning("chain_lags", block=head.number, seen=self.head.number)
        return 0 < self._behind <= PATIENCE

    async def _take(self, change: Change[ChannelLog]) -> None:
        await self.closings.take(change)
        for listener in self.on_logs:
            await listener(change)
        for entry in change.new:
            self.table.apply(entry)
        # A state may have been read ahead of its logs, so sums of logs are not added up: the contract's word counts.
        # Nor can it tell whether a log extended a channel: that is judged by logs alone.
        gone = {key[4] for key in change.gone}
        await self._mark({log.channel_id for log in change.new if log.name in ("CloseRequested", "ToppedUp")} | gone)
        touched = {entry.channel_id for entry in change.new if entry.name != "Opened"} | gone
        opened = {entry.channel_id for entry in change.entries if entry.name == "Opened"}
        ahead = {one: block for one, block in self._ahead.items() if one not in opened}
        await self.read([channel_id for channel_id in touched | set(ahead) if self.table.get(channel_id)])
        self._ahead = {one: block for one, block in ahead.items() if change.last - block < self._reread}
        if back := [channel_id for channel_id in gone if self._is_open(channel_id)]:
            await self._ledger.revive(back)

    def _is_open(self, channel_id: bytes) -> bool:
        known = self.table.get(channel_id)
        return known is not None and not known.state.ended

    async def _mark(self, ids: set[bytes]) -> None:
        """Puts down whose end is asked for, and whose is not any longer."""
        marks = {one: await self.closings.of(one) for one in ids}
        for channel_id, closing in marks.items():
            known = self.table.get(channel_id)
            if known is not None:
                self.table.put(channel_id, known.state, closing=closing)
        if marks:
            await self._ledger.mark_closing(marks)

    async def read(self, ids: list[bytes]) -> None:
        """Puts the contract's word of these channels into the table. Raises RpcError, LocalError RPC_UNREACHABLE."""
        for at in range(0, len(ids), BATCH):
            some = ids[at : at + BATCH]
            for channel_id, state in zip(some, await self._channels.states(self._rpc, some), strict=True):
                self.table.put(channel_id, state)
