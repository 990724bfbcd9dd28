"""Getting paid: closes on request, and claims by itself before it is too late.

A channel's vouchers are claimed at the first of: enough is unclaimed; half of the delay is left after its payer
asked for the end; its expiry less the margin. Everything needed stands in the ledger, so a node that was restarted
claims what an earlier one earned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from tallystick_shared.channel import NATIVE
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc, RpcError
from tallystick_shared.voucher import Signed

from ..chain.cost import Cost
from ..chain.follower import BATCH, Follower
from ..chain.sender import OnSent, Sender
from ..chain.table import Tracked
from ..ledger import ChannelRow, Ledger
from .channel import LiveChannel
from .claims import Batch, batches, halved, paid_before, prepare, unclaimed, worthwhile
from .courier import Courier
from .errand import Errand

CLOSE_GAS = 3
"""Times what a claim of the same voucher takes: 1.2 to 1.8 is usual."""
CLAIM_PATIENCE = 45.0
"""Seconds for which a close waits for a claim of the same channel. Its client waits for a minute."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TillRules:
    """When to claim: smallest units and seconds. `thresholds` are those of single tokens (20 bytes); with `dust` also
    the coin that its own gas would eat up.
    """

    threshold: int
    margin: int
    interval: float
    thresholds: Mapping[bytes, int] = field(default_factory=dict)
    dust: bool = False


class Till:
    """Sends claims and closes with the operator's key; the money goes to the payee whoever sends. `payee` is that of
    closes; a claim's is the one for whom the channel was served.
    """

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
        self._courier = Courier(rpc, channels, follower, ledger, sender, rules.interval)
        self._busy = self._courier.busy
        self._reverted: set[bytes] = set()
        """Channels whose close was mined and failed: it is not tried, and paid for, again."""
        self._ended: dict[bytes, int] = {}
        """Channels that the chain's node called ended once, and the newest block at that time."""
        self._looking = asyncio.Lock()

    @property
    def sender(self) -> Sender:
        """Who pays the gas."""
        return self._sender

    # -- closing on request

    async def close(self, channel: LiveChannel, voucher: Signed) -> bytes:
        """Ends a channel of one payee for exactly `voucher`, once a claim that is under way has ended. Returns the
        transaction's hash when it is sent; raises PeerError CLOSE_FAILED. The caller has marked the channel as ending,
        and takes that back where this raises.
        """
        if channel.offered.depth:
            raise PeerError(Code.CLOSE_FAILED, reason="not alone")
        if channel.channel_id in self._reverted:
            raise PeerError(Code.CLOSE_FAILED, reason="it failed before: ask for the end yourself")
        await self._until_free(channel.channel_id)
        self._busy.add(channel.channel_id)
        self._courier.closing.add(channel.channel_id)
        sent: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def heard(transaction: bytes) -> None:
            if not sent.done():
                sent.set_result(transaction)

        self._courier.start(self._close(channel, voucher, heard, sent))
        try:
            return await asyncio.shield(sent)
        except TallystickError as error:
            raise PeerError(Code.CLOSE_FAILED, reason=str(error)) from error

    async def _until_free(self, channel_id: bytes) -> None:
        """Waits for a claim. Raises PeerError CLOSE_FAILED where it takes too long, or is a close itself."""
        try:
            async with asyncio.timeout(CLAIM_PATIENCE):
                while channel_id in self._busy and not self.is_closing(channel_id):
                    await self._busy.change()
        except TimeoutError:
            pass
        if channel_id in self._busy:
            raise PeerError(Code.CLOSE_FAILED, reason="under way")

    def is_closing(self, channel_id: bytes) -> bool:
        """True while the transaction that ends this channel is under way."""
        return channel_id in self._courier.closing

    async def _close(self, channel: LiveChannel, voucher: Signed, heard: OnSent, sent: asyncio.Future[bytes]) -> None:
        errand = Errand(self._ledger, "close", [channel.channel_id])
        try:
            data, cost = await self._closing_call(channel, voucher)
            receipt = await self._courier.transact(errand, data, heard, cost)
            log.info("closed", channel=channel.channel_id.hex(), amount=voucher.amount, gas=receipt.gas_used)
        except (TallystickError, RpcError) as error:
            log.warning("close_failed", channel=channel.channel_id.hex(), error=str(error))
            self._not_closed(channel, error, sent)
        except Exception as error:
            log.exception("close_failed", channel=channel.channel_id.hex())
            self._not_closed(channel, error, sent)
        finally:
            if not sent.done():  # the node ends: nobody is left waiting
                sent.set_exception(LocalError(Code.TRANSACTION_FAILED, reason="the node ends"))
            self._busy.free([channel.channel_id])
            self._courier.closing.discard(channel.channel_id)

    def _not_closed(self, channel: LiveChannel, error: Exception, sent: asyncio.Future[bytes]) -> None:
        fault = error if isinstance(error, TallystickError) else LocalError(Code.TRANSACTION_FAILED)
        if not sent.done():
            sent.set_exception(fault)
        channel.ending = False
        if fault.code is Code.TRANSACTION_FAILED and "transaction" in fault.values:
            self._reverted.add(channel.channel_id)

    async def _closing_call(self, channel: LiveChannel, voucher: Signed) -> tuple[bytes, Cost]:
        """The call that closes, and its cost. A payer that is a contract gets the refund with all the gas there is,
        and this node pays for what it burns: beyond a few times the gas of a claim it is not sent. Raises PeerError
        CLOSE_FAILED.
        """
        config = channel.offered.config
        claim = self._channels.claim_tuple(config, voucher, channel.offered.auth.leaf_salt, ())
        address, close = self._channels.address, self._channels.close(self._payee, claim)
        alike = self._channels.claim(self._payee, self._sender.address, config.token, [claim])
        usual, cost = await asyncio.gather(*(self._sender.cost(address, call) for call in (alike, close)))
        if cost.estimate > CLOSE_GAS * usual.estimate:
            raise PeerError(Code.CLOSE_FAILED, reason="its refund takes too much gas", gas=cost.estimate)
        return close, cost

    # -- claiming by itself

    async def recover(self) -> None:
        """Goes on with what an earlier process left under way. Called once, before anybody is served."""
        await self._courier.recover()
        self._courier.start(self._doubt())

    async def run(self) -> None:
        """Looks for ever. A claim that waits for its block keeps no other one waiting."""
        while True:
            try:
                await self.begin()
            except (TallystickError, RpcError) as error:
                log.warning("claim_failed", error=str(error))
            except Exception:
                log.exception("claim_failed")
            await asyncio.sleep(self._rules.interval)

    async def look(self, everything: bool = False) -> int:
        """Claims what is due now, or `everything` that pays its gas, to its end. Returns how much was paid."""
        return sum(await asyncio.gather(*await self.begin(everything)))

    async def begin(self, everything: bool = False) -> list[asyncio.Task[int]]:
        """Begins to claim what is due now: a task for each transaction, with what it will have paid."""
        async with self._looking:  # two at once would claim the same
            return await self._begin(everything)

    async def _begin(self, everything: bool) -> list[asyncio.Task[int]]:
        await self._courier.look_back()
        due: list[tuple[int, ChannelRow]] = []
        now = self._follower.now()
        rows = await self._ledger.live_channels()
        # One answer of a chain's node that lags is enough for the table to lose a channel.
        await self._follower.read([row.channel_id for row in rows if self._follower.table.get(row.channel_id) is None])
        for row in rows:
            known = self._follower.table.get(row.channel_id)
            if known is None or row.channel_id in self._busy:
                continue
            if known.state.ended:
                await self._end(row.channel_id)
                continue
            self._ended.pop(row.channel_id, None)
            if everything or self.is_due(row, known, now):
                paid = await paid_before(self._channels, self._rpc, row)
                if self.is_due(row, known, now, paid) or (everything and unclaimed(row, known, paid) > 0):
                    due.append((unclaimed(row, known, paid), row))
        due.sort(key=lambda one: one[0], reverse=True)
        amounts = {row.channel_id: amount for amount, row in due}
        return [self._courier.start(self._try(batch, amounts)) for batch in batches([row for _, row in due])]

    async def _end(self, channel_id: bytes) -> None:
        """Nothing more is claimed of a one that is ended, so the chain's node must say it again, at a later block."""
        block = self._follower.head.number
        if block <= self._ended.setdefault(channel_id, block):
            return
        await self._follower.read([channel_id])
        known = self._follower.table.get(channel_id)
        if known is not None and known.state.ended:
            await self._ledger.end_channel(channel_id)
        del self._ended[channel_id]

    async def _doubt(self) -> None:
        """Channels that are marked as ended and are not, by the contract's word, are claimed from again."""
        try:
            rows = await self._ledger.ended_channels()
            for at in range(0, len(rows), BATCH):
                some = rows[at : at + BATCH]
                states = await self._channels.states(self._rpc, [row.channel_id for row in some])
                for row, state in zip(some, states, strict=True):
                    if state.known and not state.ended:
                        log.warning("not_ended", channel=row.channel_id.hex())
                        self._follower.table.put(row.channel_id, state, closing=row.closing)
                        await self._ledger.revive([row.channel_id])
        except (TallystickError, RpcError) as error:
            log.warning("chain_unreadable", error=str(error))

    async def _try(self, batch: Batch, amounts: Mapping[bytes, int]) -> int:
        """One batch that cannot be claimed, for a token that refuses to move say, must not hold up the others."""
        try:
            return await self.claim(batch, amounts)
        except (TallystickError, RpcError) as error:
            log.warning("claim_failed", token=batch.token.hex(), channels=len(batch.rows), error=str(error))
            return 0

    def is_due(self, row: ChannelRow, known: Tracked, now: int, paid: int = 0) -> bool:
        """Is it time to claim this channel's voucher? `paid` is what its payee got, where it is one of several."""
        amount = unclaimed(row, known, paid)
        if amount <= 0:
            return False
        half = known.closing and now >= known.state.expiry - row.config.delay // 2
        enough = amount >= self._rules.thresholds.get(row.config.token, self._rules.threshold)
        return enough or half or now >= known.state.expiry - self._rules.margin

    async def claim(self, batch: Batch, amounts: Mapping[bytes, int] | None = None) -> int:
        """Claims in one transaction, richest first; what would pay nothing is not sent, and of what would not pay its
        gas only the richer half, should that do better. `amounts` are what is unclaimed of each channel: one that would
        not pay for its own place in a batch is left out, and so is one that got something under way since it was
        chosen. Returns what was paid.
        """
        batch = replace(batch, rows=[row for row in batch.rows if row.channel_id not in self._busy])
        ids = batch.ids
        self._busy.update(ids)
        try:
            found = await self._worth_sending(batch, amounts or {})
            if found is None:
                return 0
            data, cost, chosen = found
            self._busy.free(set(ids) - set(chosen))
            ids = chosen
            receipt = await self._courier.transact(Errand(self._ledger, "claim", ids), data, cost=cost)
        finally:
            self._busy.free(ids)
        paid = self._courier.paid(receipt)
        log.info("claimed", channels=len(ids), paid=paid, gas=receipt.gas_used)
        return paid

    async def _worth_sending(
        self, batch: Batch, amounts: Mapping[bytes, int]
    ) -> tuple[bytes, Cost | None, list[bytes]] | None:
        """(call data, its cost where that counts, channels); None where nothing is worth its gas now."""
        counts = batch.token == NATIVE and not self._rules.dust
        if counts and amounts and len(batch.rows) > 1:
            price = (await self._sender.market()).likely
            batch = worthwhile(batch, amounts, price)
        while batch.rows:
            data, pays = await prepare(self._channels, self._rpc, batch)
            if not pays:
                return None
            if not counts:
                return data, None, batch.ids
            cost = await self._sender.cost(self._channels.address, data)
            if pays > cost.likely + self._courier.behind(cost.market.likely):
                return data, cost, batch.ids
            batch = halved(batch)
        return None

    async def finish(self) -> None:
        """Waits for the transactions that are under way. Cancelled, it leaves them to the next process."""
        await self._courier.finish()
