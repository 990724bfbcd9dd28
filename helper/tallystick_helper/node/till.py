"""Getting paid: closes on request, and claims by itself before it is too late.

A channel's vouchers are claimed at the first of: enough is unclaimed; half of the delay is left after its payer
asked for the end; its expiry less the margin. Everything needed stands in the ledger, so a node that was restarted
claims what an earlier one earned.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc, RpcError, to_hex
from tallystick_shared.voucher import Signed

from ..chain.follower import Follower
from ..chain.sender import OnSent, Receipt, Sender
from ..chain.table import Tracked
from ..ledger import ChannelRow, Ledger
from .channel import LiveChannel

MAX_CLAIMS = 16
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TillRules:
    """When to claim: smallest units and seconds."""

    threshold: int
    margin: int
    interval: float


class Till:
    """Sends claims and closes with the operator's key; the money goes to the payee whoever sends."""

    def __init__(
        self,
        rpc: Rpc,
        channels: Channels,
        follower: Follower,
        ledger: Ledger,
        sender: Sender,
        payee: bytes,
        rules: TillRules,
    ) -> None:
        self._rpc, self._channels, self._follower = rpc, channels, follower
        self._ledger, self._sender, self._payee, self._rules = ledger, sender, payee, rules
        self._busy: set[bytes] = set()
        self._closing: set[bytes] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- closing on request

    async def close(self, channel: LiveChannel, voucher: Signed, on_sent: OnSent) -> None:
        """Ends a channel of one payee for exactly `voucher`. Returns once the transaction is sent; raises PeerError
        CLOSE_FAILED.
        """
        offered = channel.offered
        if offered.depth or channel.channel_id in self._busy:
            raise PeerError(Code.CLOSE_FAILED, reason="not alone" if offered.depth else "under way")
        claim = self._channels.claim_tuple(offered.config, voucher, offered.auth.leaf_salt, ())
        channel.ending = True
        self._busy.add(channel.channel_id)
        self._closing.add(channel.channel_id)
        sent: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def heard(transaction: bytes) -> None:
            await self._ledger.sent(transaction, "close", [channel.channel_id])
            if not sent.done():
                sent.set_result(transaction)

        data = self._channels.close(self._payee, claim)
        self._start(self._close(channel, data, voucher.amount, heard, sent))
        try:
            transaction = await asyncio.shield(sent)
        except TallystickError as error:
            channel.ending = False
            raise PeerError(Code.CLOSE_FAILED, reason=str(error)) from error
        await on_sent(transaction)

    def is_closing(self, channel_id: bytes) -> bool:
        """True while the transaction that ends this channel is under way."""
        return channel_id in self._closing

    async def _close(
        self, channel: LiveChannel, data: bytes, amount: int, heard: OnSent, sent: asyncio.Future[bytes]
    ) -> None:
        try:
            receipt = await self._sender.transact(self._channels.address, data, on_sent=heard)
            await self._record(receipt)
            await self._ledger.end_channel(channel.channel_id)
            log.info("closed", channel=channel.channel_id.hex(), amount=amount, gas=receipt.gas_used)
        except (TallystickError, RpcError) as error:
            log.warning("close_failed", channel=channel.channel_id.hex(), error=str(error))
            fault = error if isinstance(error, TallystickError) else LocalError(Code.TRANSACTION_FAILED)
            if not sent.done():
                sent.set_exception(fault)
            channel.ending = False
        finally:
            self._busy.discard(channel.channel_id)
            self._closing.discard(channel.channel_id)

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record(self, receipt: Receipt) -> int:
        """What a mined transaction paid, by its logs; noted in the ledger."""
        paid = 0
        for entry in receipt.logs:
            found = (
                self._channels.read_log(entry) if entry["address"].lower() == to_hex(self._channels.address) else None
            )
            if found and found.name in ("Claimed", "Closed"):
                paid += found.values["paid"]
        await self._ledger.mined(receipt.transaction, receipt.block, paid)
        return paid

    # -- what an earlier process left under way

    async def recover(self) -> None:
        """Transactions that were sent but not seen mined before a restart keep their channels busy until they end."""
        for transaction, ids in await self._ledger.unmined():
            self._busy.update(ids)
            self._start(self._see_end(transaction, ids))

    async def _see_end(self, transaction: bytes, ids: list[bytes]) -> None:
        try:
            while (receipt := await self._sender.receipt(transaction)) is None:
                if await self._rpc.request("eth_getTransactionByHash", [to_hex(transaction)]) is None:
                    await self._ledger.dropped(transaction)
                    return
                await asyncio.sleep(self._rules.interval)
            await self._record(receipt)
        except (TallystickError, RpcError) as error:
            log.warning("transaction_lost_sight_of", transaction=transaction.hex(), error=str(error))
        finally:
            self._busy.difference_update(ids)

    # -- claiming by itself

    async def run(self) -> None:
        """Looks for ever."""
        await self.recover()
        while True:
            try:
                await self.look()
            except (TallystickError, RpcError) as error:
                log.warning("claim_failed", error=str(error))
            except Exception:
                log.exception("claim_failed")
            await asyncio.sleep(self._rules.interval)

    async def look(self) -> int:
        """Claims what is due now. Returns how much was paid."""
        due: dict[bytes, list[ChannelRow]] = defaultdict(list)
        now = self._follower.now()
        for row in await self._ledger.live_channels():
            known = self._follower.table.get(row.channel_id)
            if known is None or row.channel_id in self._busy:
                continue
            if known.state.ended:
                await self._ledger.end_channel(row.channel_id)
            elif self.is_due(row, known, now):
                due[row.config.token].append(row)
        paid = 0
        for token, rows in due.items():
            for at in range(0, len(rows), MAX_CLAIMS):
                paid += await self.claim(token, rows[at : at + MAX_CLAIMS])
        return paid

    def is_due(self, row: ChannelRow, known: Tracked, now: int) -> bool:
        """Is it time to claim this channel's voucher?"""
        unclaimed = min(row.voucher.amount, known.state.cap(len(row.proof)))
        if not row.proof:
            unclaimed -= known.state.claimed
        if unclaimed <= 0:
            return False
        half = known.closing and now >= known.state.expiry - row.config.delay // 2
        return unclaimed >= self._rules.threshold or half or now >= known.state.expiry - self._rules.margin

    async def claim(self, token: bytes, rows: list[ChannelRow]) -> int:
        """Claims the vouchers of up to 16 channels of one token in one transaction; what pays nothing is not sent."""
        closer = self._sender.address
        claims = [self._channels.claim_tuple(row.config, row.voucher, row.leaf_salt, row.proof) for row in rows]
        if not await self._channels.would_pay(self._rpc, self._payee, closer, token, claims):
            return 0
        ids = [row.channel_id for row in rows]
        self._busy.update(ids)
        try:
            receipt = await self._sender.transact(
                self._channels.address,
                self._channels.claim(self._payee, closer, token, claims),
                on_sent=lambda transaction: self._ledger.sent(transaction, "claim", ids),
            )
        finally:
            self._busy.difference_update(ids)
        paid = await self._record(receipt)
        log.info("claimed", channels=len(ids), paid=paid, gas=receipt.gas_used)
        return paid

    async def finish(self) -> None:
        """Waits for the transactions that are under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)
