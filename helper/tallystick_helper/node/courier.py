"""Claims and closes on their way: each to its end, across restarts and reorganisations, and at what price at most.

What is sent may become dearer until its gas would cost what it brings. One that waits at that limit holds up all that
this key sends later: a later one that is worth the gas of both takes it along (`Sender`), and `behind` says what that
costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from tallystick_shared.channel import NATIVE
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc, RpcError, to_hex

from ..chain.cost import Cost
from ..chain.follower import Follower
from ..chain.sender import DEPTH, OnSent, Receipt, Sender
from ..ledger import Ledger
from .busy import Busy
from .claims import paid_before, unclaimed
from .errand import Errand, errands

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Waits:
    """A transaction at its limit: gas, and what it brings in wei."""

    gas: int
    worth: int


class Courier:
    """Sends with the operator's key. `busy` are the channels that have something under way, `closing` those that a
    close is about to end; `interval`: seconds between looks at what can only be waited for.
    """

    def __init__(
        self, rpc: Rpc, channels: Channels, follower: Follower, ledger: Ledger, sender: Sender, interval: float
    ) -> None:
        self._rpc, self._channels, self._follower = rpc, channels, follower
        self._ledger, self._sender, self._interval = ledger, sender, interval
        self.busy = Busy()
        self.closing: set[bytes] = set()
        self.under_way: set[bytes] = set()
        self._waits: dict[int, Waits] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self) -> None:
        """Waits for what is under way. Cancelled, it leaves that to the next process."""
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()

    # -- to its end

    async def transact(
        self, errand: Errand, data: bytes, on_sent: OnSent | None = None, cost: Cost | None = None
    ) -> Receipt:
        """Sends an errand's transaction and waits for its end, however long that takes."""
        worth = await self._worth(errand)
        try:
            receipt = await self._sender.transact(
                self._channels.address, data, cost=cost, journal=errand, on_sent=on_sent, worth=worth
            )
        except LocalError as error:
            if error.code is not Code.TRANSACTION_PENDING:
                await errand.forget()
                raise
            return await self._resume(errand)
        return await self._done(errand, receipt)

    async def _resume(self, errand: Errand) -> Receipt:
        """The same for one that left earlier. What waits on is followed further, never sent under a second nonce."""
        try:
            while True:
                worth = await self._worth(errand)
                try:
                    receipt = await self._sender.resume(errand.raws, journal=errand, worth=worth)
                    return await self._done(errand, receipt)
                except LocalError as error:
                    if error.code is not Code.TRANSACTION_PENDING:
                        await errand.forget()
                        raise
                    log.warning("transaction_waits", transaction=errand.versions[-1].hex(), worth=worth)
                    self._waits[id(errand)] = Waits(self._sender.gas_of(errand.raws[-1]), worth)
        finally:
            self._waits.pop(id(errand), None)

    async def _worth(self, errand: Errand) -> int:
        """What its channels' vouchers would still bring, in wei; 0 where that is not known, of a token say."""
        wanted, worth = set(errand.channels), 0
        try:
            for row in await self._ledger.live_channels():
                known = self._follower.table.get(row.channel_id)
                if row.channel_id in wanted and row.config.token == NATIVE and known is not None:
                    worth += max(0, unclaimed(row, known, await paid_before(self._channels, self._rpc, row)))
        except (TallystickError, RpcError):
            return 0
        return worth

    def behind(self, price: int) -> int:
        """What it costs, in wei, to take along those that wait at their limit, beyond what they bring; `price`: wei per
        gas.
        """
        return max(0, sum(one.gas * price - one.worth for one in self._waits.values()))

    async def _done(self, errand: Errand, receipt: Receipt) -> Receipt:
        await self._ledger.mined(receipt.transaction, receipt.block, self.paid(receipt))
        await errand.forget(but=receipt.transaction)
        if errand.kind == "close":
            await self._ledger.end_channel(errand.channels[0])
        return receipt

    def paid(self, receipt: Receipt) -> int:
        """What a mined transaction paid, by its logs."""
        found = (self._channels.read_log(entry) for entry in receipt.logs)
        return sum(entry.values["paid"] for entry in found if entry and entry.name in ("Claimed", "Closed"))

    # -- what an earlier process left under way, and what a reorganisation took back

    async def recover(self) -> None:
        """Transactions that were sent but not seen mined before a restart keep their channels busy until they end.
        Those of the last few blocks are looked at once more.
        """
        since = self._follower.head.number - DEPTH
        for errand in errands(self._ledger, self._sender, await self._ledger.unmined(since)):
            self._go_on(errand)

    async def look_back(self) -> None:
        """What a reorganisation took out of its block is followed again."""
        gone = [one for one in await self._sender.restore() if one not in self.under_way]
        for transaction in gone:
            await self._ledger.taken_back(transaction)
        rows = [row for row in await self._ledger.unmined() if row.transaction in gone] if gone else []
        for errand in errands(self._ledger, self._sender, rows):
            self._go_on(errand)

    def _go_on(self, errand: Errand) -> None:
        self.busy.update(errand.channels)
        self.under_way.update(errand.versions)
        if errand.kind == "close":
            self.closing.update(errand.channels)
        self.start(self._see_end(errand))

    async def _see_end(self, errand: Errand) -> None:
        try:
            if errand.raws:
                await self._resume(errand)
            else:
                await self._watch(errand)
        except (TallystickError, RpcError) as error:
            log.warning("transaction_ended", kind=errand.kind, error=str(error))
        finally:
            self.busy.free(errand.channels)
            self.under_way.difference_update(errand.versions)
            self.closing.difference_update(errand.channels)

    async def _watch(self, errand: Errand) -> None:
        """One whose bytes are not kept, or that another key signed: it can only be waited for."""
        transaction = errand.versions[0]
        while (receipt := await self._sender.receipt(transaction)) is None:
            if await self._rpc.request("eth_getTransactionByHash", [to_hex(transaction)]) is None:
                await errand.forget()
                return
            await asyncio.sleep(self._interval)
        await self._done(errand, receipt)
