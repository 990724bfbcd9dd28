"""What this person can pay with on one chain: the open deposits kept here, each beside its provider's offers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from tallystick_shared.chains import Deployment
from tallystick_shared.crypto import Crypto
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.rpc import Rpc, RpcError
from tallystick_shared.market import Listing, Market
from tallystick_shared.market_reader import MarketView
from tallystick_shared.profile import Offer, Profile
from tallystick_shared.user_seats import agreed_limits

from ..deposits import Deposits, Status, View
from ..guest import NativeGuest
from ..shown import Money
from ..store import UserStore

T = TypeVar("T")
FRESH = 15.0
"""Seconds for which what the chain said of deposits and providers is used again."""
LEAST_FRESH = 1.0
MARKET_FRESH = 60.0
LEAST_LIFE = 15 * 60
"""Seconds: a deposit that ends sooner is left alone."""


@dataclass(frozen=True)
class Candidate:
    """An offer that an open deposit can pay. Prices in smallest units per 1,000,000 units; `rest` is what is left for
    this provider, in smallest units.
    """

    holdings: Holdings
    deposit: Deposit
    profile: Profile
    offer: Offer
    money: Money
    rest: int

    @property
    def provider(self) -> bytes:
        return self.deposit.provider


class Holdings:
    """The deposits on one chain. `now` reads them beside the chain, at most every few seconds."""

    def __init__(
        self, crypto: Crypto, rpc: Rpc, where: Deployment, store: UserStore, symbol: str, chain: str = ""
    ) -> None:
        """`symbol` names the chain's coin; `chain` is its name in the settings, empty for the first one."""
        self.crypto, self.rpc, self.where, self.store, self.chain = crypto, rpc, where, store, chain
        self.money = Money(symbol)
        self._deposits = Deposits(crypto, rpc, where, store, symbol)
        self._market = Market(crypto, where.chain_id, where.registry)
        self._guest = NativeGuest(crypto, where)
        self._reading = asyncio.Lock()
        self._read: tuple[float, tuple[tuple[str, int], ...], list[Candidate]] | None = None
        """When, for which deposits, and what."""
        self._listings: dict[bytes, tuple[float, Listing]] = {}
        self._view: tuple[float, MarketView] | None = None

    async def candidates(self, *, newer_than: float = FRESH) -> list[Candidate]:
        """Every offer that can be paid now, of deposits with their money at hand. What was read less than `newer_than`
        seconds ago is not read again, unless a deposit came or went. Raises LocalError RPC_UNREACHABLE.
        """
        async with self._reading:
            mark, now = self.store.mark(), time.monotonic()
            kept = self._read if self._read is not None and self._read[1] == mark else None
            if kept is None or now - kept[0] > max(newer_than, LEAST_FRESH):
                if newer_than < FRESH:
                    self._listings.clear()
                kept = self._read = (now, mark, await _reached(self._look()))
            return kept[2]

    async def _look(self) -> list[Candidate]:
        held = [one for one in await self._deposits.held() if one.parties]
        found: list[Candidate] = []
        for view in await self._deposits.views(held):
            if view.status is Status.OPEN and view.state.expiry - view.now > LEAST_LIFE:
                found += await self._of(view)
        return found

    async def _of(self, view: View) -> list[Candidate]:
        found = []
        for party in view.held.parties:
            deposit = msgspec.structs.replace(party.deposit, amount=str(view.state.deposit))
            try:
                profile = (await self._listing(deposit.provider)).usable()
            except TallystickError:
                continue  # gone from the registry, or its entry is not good: the others serve
            same = (profile.payee, profile.operator) == (deposit.payee, deposit.closer)
            if not same or deposit.config.token not in profile.tokens:
                continue
            rest = deposit.cap - party.resume.owed
            found += [Candidate(self, deposit, profile, offer, view.money, rest) for offer in profile.offers]
        return [one for one in found if one.rest > 0 and _as_agreed(one)]

    async def _listing(self, provider: bytes) -> Listing:
        kept = self._listings.get(provider)
        if kept is None or time.monotonic() - kept[0] > FRESH:
            try:
                listing = await self._market.listing(self.rpc, provider)
            except RpcError:  # the chain's node has forgotten the log
                listing = (await self.market()).listing(provider)
            kept = self._listings[provider] = (time.monotonic(), listing)
        return kept[1]

    def forget(self, provider: bytes) -> None:
        """What is known of it may be out of date: the next look asks the chain."""
        self._read = None
        self._listings.pop(provider, None)

    async def market(self) -> MarketView:
        """Everybody who offers anything, at most a minute old. Raises LocalError RPC_UNREACHABLE."""
        if self._view is None or time.monotonic() - self._view[0] > MARKET_FRESH:
            self._view = (time.monotonic(), await _reached(self._guest.market(self.rpc)))
        return self._view[1]

    async def sellers(self, fits: Callable[[Offer], bool]) -> list[tuple[bytes, Offer]]:
        """Who sells such an offer, whether or not there is a deposit with them. Raises LocalError RPC_UNREACHABLE."""
        view = await self.market()
        profiles = [(provider, view.glance(provider)) for provider in view]
        return [
            (provider, offer)
            for provider, profile in profiles
            for offer in (profile.offers if profile else ())
            if fits(offer)
        ]


def _as_agreed(one: Candidate) -> bool:
    """Is it no dearer, nor its profile older, than what the deposit was made for?"""
    agreed = one.deposit.agreed
    if agreed is not None and one.profile.epoch < agreed.epoch:
        return False
    try:
        agreed_limits(one.deposit, one.profile).check(one.offer)
    except PeerError:
        return False
    return True


async def _reached(asking: Awaitable[T]) -> T:
    """Raises LocalError RPC_UNREACHABLE where the chain's node answers with an error."""
    try:
        return await asking
    except RpcError as error:
        raise LocalError(Code.RPC_UNREACHABLE, reason=error.message) from None
