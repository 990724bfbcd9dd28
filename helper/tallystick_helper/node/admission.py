"""Which channels are served: what the chain must say of one before its first request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from tallystick_shared import limits
from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.p256 import has_p256
from tallystick_shared.evm.rpc import Rpc, RpcError
from tallystick_shared.profile import Profile
from tallystick_shared.session.events import AuthOffered
from tallystick_shared.voucher import P256_SIGNATURE, Signed

from ..chain.follower import Follower
from ..chain.table import Tracked
from .backfill import FOR_STRANGERS, Backfill

PARKED = limits.PARKED.value
P256_REST = limits.P256_REST.value
REMEMBERED = 4096
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Terms:
    """What the node asks of a channel: the announced profile, and how long before its end service stops (seconds)."""

    profile: Profile
    margin: int


class Admission:
    """Decides over AUTH by the channel table, and over the first voucher by a call of the claim."""

    def __init__(self, rpc: Rpc, channels: Channels, follower: Follower) -> None:
        self._rpc, self._channels, self._follower = rpc, channels, follower
        self._strangers = Backfill(rpc, channels, FOR_STRANGERS)
        self._known = Backfill(rpc, channels)
        """Of its own, so that whoever is served already never waits behind strangers."""
        self._paid: dict[bytes, tuple[str, int]] = {}
        self._p256 = False
        self._asked_p256 = -P256_REST
        self._asking_p256 = asyncio.Lock()

    async def find(self, channel_id: bytes) -> Tracked:
        """The channel, waiting at most 4 s for one that is not on chain yet, or cannot be looked up sooner. Raises
        PeerError UNKNOWN_CHANNEL.
        """
        table = self._follower.table
        known = table.get(channel_id)
        if known is None:
            looking = asyncio.create_task(self._look_up(channel_id))
            try:
                known = await table.wait(channel_id, PARKED)
            finally:
                looking.cancel()
        if known is None:
            raise PeerError(Code.UNKNOWN_CHANNEL)
        return known

    async def _look_up(self, channel_id: bytes) -> None:
        """It may have been opened before this node followed, or just now."""
        try:
            state = await self._strangers.state(channel_id)
        except (TallystickError, RpcError) as error:
            log.debug("not_looked_up", error=str(error))  # the follower warns of a chain that does not answer
            return
        if state.known:
            await self._follower.put_ahead(channel_id, state)

    async def admit(self, offered: AuthOffered, terms: Terms) -> Tracked:
        """The channel, if it can be served. Raises PeerError with the reason."""
        if offered.config.token not in terms.profile.tokens:
            raise PeerError(Code.WRONG_TOKEN)
        if offered.config.delay < terms.profile.minimum_delay:
            raise PeerError(Code.DELAY_TOO_SHORT, delay=offered.config.delay)
        known = await self.find(offered.channel_id)
        self.check(known, terms)
        cap = known.state.cap(offered.depth)
        if cap == 0 or cap < terms.profile.least:
            raise PeerError(Code.CAP_TOO_SMALL, cap=cap)
        if len(offered.auth.signature) == P256_SIGNATURE and not await self._knows_p256():
            raise PeerError(Code.UNCLAIMABLE, reason="this chain verifies no P-256")
        return known

    async def _knows_p256(self) -> bool:
        """Asked until the answer is yes, for a chain may learn it; but not by everybody who comes."""
        async with self._asking_p256:
            now = asyncio.get_running_loop().time()
            if not self._p256 and now - self._asked_p256 >= P256_REST:
                self._p256 = await has_p256(self._rpc)
                self._asked_p256 = now
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
        if not beyond:
            return 0
        head = self._follower.head.hash
        before = self._paid.pop(offered.channel_id, None)
        if before is None or before[0] != head:  # once a block, however often it connects
            before = (head, await self._claimed(offered, payee))
        self._paid[offered.channel_id] = before
        while len(self._paid) > REMEMBERED:
            del self._paid[next(iter(self._paid))]
        return before[1]

    async def _claimed(self, offered: AuthOffered, payee: bytes) -> int:
        """What this payee was paid from the channel. The word tells it where there is no other payee."""
        if offered.depth:
            return await self._channels.claimed_by(self._rpc, offered.channel_id, payee)
        return (await self._known.state(offered.channel_id)).claimed
