"""What this node gives to guests: snapshots of the market, who opened which channel, its advert, and whether it can
reach them. For nothing, so
within limits: of bytes and seconds for each answer, and of answers for each address and in all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tallystick_shared import advert, reach, recovery, snapshot
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import decode
from tallystick_shared.reach import ReachAsk
from tallystick_shared.recovery import OpenedAsk
from tallystick_shared.snapshot import SnapshotAsk

from ..chain.market_index import MarketIndex
from ..chain.opened import OpenedIndex
from .dialback import Dialback
from .rates import Meter, Rate


@dataclass(frozen=True)
class GuestLimit:
    """Of one service: bytes and seconds of an answer, answers for an address (IPv4, or /64) and in all."""

    most: int
    seconds: float
    address: Rate
    total: Rate


LIMITS = {
    snapshot.SERVICE: GuestLimit(snapshot.most_bytes(snapshot.MAX_ENTRIES), 60.0, Rate(20, 0.5), Rate(100, 20)),
    recovery.SERVICE: GuestLimit(recovery.MAX_BYTES, 10.0, Rate(20, 0.5), Rate(200, 50)),
    reach.SERVICE: GuestLimit(reach.MAX_ANSWER, 10.0, Rate(3, 0.05), Rate(20, 1.0)),
    advert.SERVICE: GuestLimit(advert.MAX_ADVERT, 5.0, Rate(20, 1.0), Rate(200, 100)),
}


class Guests:
    """The services, over the node's two indices."""

    def __init__(
        self,
        market: MarketIndex,
        opened: OpenedIndex,
        clock: Callable[[], float],
        limits: dict[str, GuestLimit] | None = None,
        dialback: Dialback | None = None,
    ) -> None:
        """`clock`: seconds, never going back."""
        self._market, self._opened, self._dialback = market, opened, dialback
        self.advert: Callable[[], bytes] | None = None
        """Set by the node."""
        self.limits = limits or LIMITS
        self._meters = {service: Meter(limit.address, limit.total, clock) for service, limit in self.limits.items()}

    async def answer(self, service: str, params: bytes, address: str) -> bytes:
        """Raises PeerError: UNKNOWN_SERVICE, BUSY, BAD_MESSAGE, TOO_LARGE."""
        if service not in self._meters:
            raise PeerError(Code.UNKNOWN_SERVICE)
        self._meters[service].take(address)
        if service == snapshot.SERVICE:
            data = self._snapshot(decode(SnapshotAsk, params))
        elif service == reach.SERVICE:
            if self._dialback is None:
                raise PeerError(Code.BUSY)
            data = await self._dialback.answer(decode(ReachAsk, params), address)
        elif service == advert.SERVICE:
            data = self._advert(params)
        else:
            data = await self._opened.answer(decode(OpenedAsk, params))
        if len(data) > self.limits[service].most:
            raise PeerError(Code.TOO_LARGE, limit=self.limits[service].most)
        return data

    def _advert(self, params: bytes) -> bytes:
        if params:
            raise PeerError(Code.BAD_MESSAGE, reason="parameters")
        if self.advert is None:
            raise PeerError(Code.BUSY)
        return self.advert()

    def _snapshot(self, ask: SnapshotAsk) -> bytes:
        if not self._market.ready:
            raise PeerError(Code.BUSY)
        return self._market.snapshot(ask)
