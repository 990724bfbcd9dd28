"""Asking providers as a guest, from the page: snapshots of the market, the channels that a payer opened."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tallystick_shared.advert import AdvertBook
from tallystick_shared.chains import Deployment
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.guest import fetch_advert, fetch_opened, fetch_snapshot
from tallystick_shared.market import Listing
from tallystick_shared.profile import registry_domain
from tallystick_shared.recovery import OpenedRecord
from tallystick_shared.snapshot import SnapshotAsk

from ..app import App

PATIENCE = 8.0
UNREACHED = (Code.PROVIDER_GONE, Code.TIMED_OUT, Code.TRUNCATED, Code.HANDSHAKE_FAILED, Code.WRONG_PROVIDER)
"""Nobody, or somebody else, is at its address. Whoever is full, or gives no advert, is there."""


class PageGuest:
    """A guest on the page's chain. Fills the market reader's SnapshotHost seat."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def snapshots(
        self, sources: Sequence[Listing], ask: SnapshotAsk, most: int
    ) -> Sequence[bytes | TallystickError]:
        """All at the same time, each within 8 seconds: the market is waited for."""
        return await asyncio.gather(*(self._snapshot(source, ask, most) for source in sources))

    async def _snapshot(self, source: Listing, ask: SnapshotAsk, most: int) -> bytes | TallystickError:
        seats = self._app.seats
        try:
            async with asyncio.timeout(PATIENCE):
                return await fetch_snapshot(seats.crypto, seats.world, deployment(self._app), source, ask, most)
        except TimeoutError:
            return PeerError(Code.TIMED_OUT)
        except TallystickError as error:
            return error

    async def greet(self, listing: Listing) -> None:
        """Asks a provider a word that costs nothing, before money goes there. Raises PeerError PROVIDER_GONE where
        nobody with its key answers.
        """
        seats, where = self._app.seats, deployment(self._app)
        book = AdvertBook(seats.crypto, registry_domain(where.chain_id, where.registry))
        try:
            async with asyncio.timeout(PATIENCE):
                await fetch_advert(seats.crypto, seats.world, where, listing, book)
        except TimeoutError:
            raise PeerError(Code.PROVIDER_GONE) from None
        except TallystickError as error:
            if error.code in UNREACHED:
                raise PeerError(Code.PROVIDER_GONE) from None

    async def opened(self, source: Listing, payer: bytes) -> list[OpenedRecord]:
        """What a provider's node says of a payer's channels. Raises PeerError."""
        seats = self._app.seats
        try:
            async with asyncio.timeout(PATIENCE):
                return await fetch_opened(seats.crypto, seats.world, deployment(self._app), source, payer)
        except TimeoutError:
            raise PeerError(Code.TIMED_OUT) from None


def deployment(app: App) -> Deployment:
    """The contracts of this page's chain. Raises LocalError NO_CONTRACTS."""
    site = app.state.site
    if site is None:
        raise LocalError(Code.NO_CONTRACTS)
    return Deployment(site.chain_id, site.registry, site.channels, site.block)
