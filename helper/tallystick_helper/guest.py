"""Asking other nodes as a guest, natively: snapshots of the market from several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tallystick_shared.advert import Advert, AdvertBook
from tallystick_shared.chains import Deployment
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import TallystickError
from tallystick_shared.evm.rpc import Rpc
from tallystick_shared.guest import fetch_advert, fetch_opened, fetch_reach, fetch_snapshot
from tallystick_shared.market import Listing, Market
from tallystick_shared.market_reader import MarketView, Rules, read_market
from tallystick_shared.profile import registry_domain
from tallystick_shared.reach import ReachAnswer, ReachAsk
from tallystick_shared.recovery import OpenedRecord
from tallystick_shared.snapshot import SnapshotAsk

from .dial import NativeHost


class NativeGuest:
    """A guest on one chain. Fills the market reader's SnapshotHost seat."""

    def __init__(self, crypto: Crypto, where: Deployment) -> None:
        self._crypto, self._where = crypto, where
        self._host = NativeHost()
        self._adverts = AdvertBook(crypto, registry_domain(where.chain_id, where.registry))

    async def snapshots(
        self, sources: Sequence[Listing], ask: SnapshotAsk, most: int
    ) -> Sequence[bytes | TallystickError]:
        """All at the same time."""
        return await asyncio.gather(*(self._snapshot(source, ask, most) for source in sources))

    async def _snapshot(self, source: Listing, ask: SnapshotAsk, most: int) -> bytes | TallystickError:
        try:
            return await fetch_snapshot(self._crypto, self._host, self._where, source, ask, most)
        except TallystickError as error:
            return error

    async def opened(self, source: Listing, payer: bytes) -> list[OpenedRecord]:
        """What a provider's node knows of a payer's channels. Raises PeerError."""
        return await fetch_opened(self._crypto, self._host, self._where, source, payer)

    async def advert(self, source: Listing) -> Advert:
        """What a provider says of its load now. Raises PeerError."""
        return await fetch_advert(self._crypto, self._host, self._where, source, self._adverts)

    async def reach(self, source: Listing, ask: ReachAsk) -> ReachAnswer:
        """Whether that provider's node can reach whom `ask` names. Raises PeerError."""
        return await fetch_reach(self._crypto, self._host, self._where, source, ask)

    async def market(
        self, rpc: Rpc, rules: Rules | None = None, known: Mapping[bytes, bytes] | None = None
    ) -> MarketView:
        """The market, from the chain and two of its providers. Raises RpcError, LocalError RPC_UNREACHABLE."""
        market = Market(self._crypto, self._where.chain_id, self._where.registry)
        return await read_market(market, rpc, self, rules, known)
