"""Which channels are served: what the chain must say of one before its first request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tallystick_shared import limits
from tallystick_shared.channel import ChannelState
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.p256 import has_p256
from tallystick_shared.evm.rpc import Rpc
from tallystick_shared.profile import Profile
from tallystick_shared.session.events import AuthOffered
from tallystick_shared.voucher import P256_SIGNATURE, Signed

from ..chain.follower import Follower
from ..chain.table import Tracked

PARKED = limits.PARKED.value
GATHER = 0.05
BATCH = limits.BACKFILL_IDS.value


@dataclass(frozen=True)
class Terms:
    """What the node asks of a channel: the announced profile, and how long before its end service stops (seconds)."""

    profile: Profile
    margin: int


class Backfill:
    """Single look-ups, gathered: however many ids are asked for, at most one `channelsOf` leaves every 50 ms."""

    def __init__(self, rpc: Rpc, channels: Channels) -> None:
        self._rpc, self._channels = rpc, channels
        self._wanted: dict[bytes, asyncio.Future[ChannelState]] = {}
        self._task: asyncio.Task[None] | None = None

    async def state(self, channel_id: bytes) -> ChannelState:
        """The contract's word. Raises LocalError RPC_UNREACHABLE or RpcError."""
        future = self._wanted.get(channel_id)
        if future is None:
            future = self._wanted[channel_id] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await asyncio.shield(future)

    async def _run(self) -> None:
        while self._wanted:
            some = {channel_id: self._wanted.pop(channel_id) for channel_id in list(self._wanted)[:BATCH]}
            await self._read(some)
            await asyncio.sleep(GATHER)
        self._task = None

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


class Admission:
    """Decides over AUTH by the channel table, and over the first voucher by a call of the claim."""

    def __init__(self, rpc: Rpc, channels: Channels, follower: Follower) -> None:
        self._rpc, self._channels, self._follower = rpc, channels, follower
        self._backfill = Backfill(rpc, channels)
        self._p256 = False

    async def find(self, channel_id: bytes) -> Tracked:
        """The channel, waiting at most 4 s for one that is not on chain yet. Raises PeerError UNKNOWN_CHANNEL."""
        table = self._follower.table
        known = table.get(channel_id)
        if known is None:
            state = await self._backfill.state(channel_id)
            self._follower.put_ahead(channel_id, state)
            known = await table.wait(channel_id, PARKED)
        if known is None:
            raise PeerError(Code.UNKNOWN_CHANNEL)
        return known

    async def admit(self, offered: AuthOffered, terms: Terms) -> Tracked:
        """The channel, if it can be served. Raises PeerError with the reason."""
        if offered.config.token not in terms.profile.tokens:
            raise PeerError(Code.WRONG_TOKEN)
        if offered.config.delay < terms.profile.minimum_delay:
            raise PeerError(Code.DELAY_TOO_SHORT, delay=offered.config.delay)
        if len(offered.auth.signature) == P256_SIGNATURE and not await self._knows_p256():
            raise PeerError(Code.UNCLAIMABLE, reason="this chain verifies no P-256")
        known = await self.find(offered.channel_id)
        self.check(known, terms)
        cap = known.state.cap(offered.depth)
        if cap == 0 or cap < int.from_bytes(terms.profile.minimum_cap, "big"):
            raise PeerError(Code.CAP_TOO_SMALL, cap=cap)
        return known

    async def _knows_p256(self) -> bool:
        """Asked until the answer is yes: a chain may learn it."""
        self._p256 = self._p256 or await has_p256(self._rpc)
        return self._p256

    def check(self, known: Tracked, terms: Terms) -> None:
        """May this channel be served (still)? Raises PeerError CHANNEL_ENDED or CHANNEL_EXPIRING."""
        if known.state.ended:
            raise PeerError(Code.CHANNEL_ENDED)
        if known.closing or known.state.expiry - self._follower.now() <= terms.margin:
            raise PeerError(Code.CHANNEL_EXPIRING, expiry=known.state.expiry)

    async def prove(self, offered: AuthOffered, payee: bytes, closer: bytes, voucher: Signed) -> None:
        """One call of the claim must pay what the voucher promises beyond what was claimed. Raises PeerError
        UNCLAIMABLE.
        """
        auth = offered.auth
        claim = self._channels.claim_tuple(offered.config, voucher, auth.leaf_salt, auth.proof)
        pays, claimed = await asyncio.gather(
            self._channels.would_pay(self._rpc, payee, closer, offered.config.token, [claim]),
            self._claimed(offered, payee),
        )
        promised = voucher.amount - claimed
        if pays != max(0, promised):
            raise PeerError(Code.UNCLAIMABLE, pays=pays, promised=promised)

    async def paid(self, offered: AuthOffered, payee: bytes, known: Tracked, held: int) -> int:
        """What this payee was paid, where that can be more than the voucher `held`; else 0, and nothing is asked.
        Raises LocalError RPC_UNREACHABLE or RpcError.
        """
        beyond = held == 0 if offered.depth else known.state.claimed > held
        return await self._claimed(offered, payee) if beyond else 0

    async def _claimed(self, offered: AuthOffered, payee: bytes) -> int:
        """What this payee was paid from the channel. The word tells it where there is no other payee."""
        if offered.depth:
            return await self._channels.claimed_by(self._rpc, offered.channel_id, payee)
        return (await self._backfill.state(offered.channel_id)).claimed
