"""Reading the market and choosing from it. The chain says, through the wallet's own connection, who is there and with
which profile; the profiles come from two providers, or where none answers from the chain's logs.
"""

from __future__ import annotations

import contextlib

from tallystick_shared.channel import NATIVE
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.market import Listing
from tallystick_shared.market import Market as Registered
from tallystick_shared.market_reader import MarketView, read_market
from tallystick_shared.messages import amount_int

from ..actions import Chosen, MarketRead, MarketReading, NoticeCleared, Noticed, SheetClosed, SheetOpened
from ..app import App
from ..figures import clock_time, span
from ..state import UNREAD, Choice, DepositPhase, Market, MarketPhase, Notice, Sheet, State
from ..views.parts import holder_name
from ..words import Words
from .guest import PageGuest
from .permission import PermissionFlow
from .wallet import WalletFlow

SERVED = "text"
MOST_TOKENS = 10
SLICE = 20  # signatures between two looks of the browser at what people do


class MarketFlow:
    """The providers of this chain."""

    def __init__(self, app: App, wallet: WalletFlow, permission: PermissionFlow) -> None:
        self._app, self._wallet, self._permission = app, wallet, permission
        self._listings: dict[bytes, Listing] = {}
        self._blobs: dict[bytes, bytes] = {}
        self.guest = PageGuest(app)
        app.on("open-market", self._open)
        app.on("read-market", self._read_intent)
        app.on("choose", self.choose)

    async def _open(self, _: str) -> None:
        if not self._app.state.connected and not self._app.state.trial.on:
            await self._wallet.connect()
            return
        self._app.dispatch(SheetOpened(Sheet.MARKET))
        if self._app.state.market.phase is MarketPhase.UNREAD:
            await self.read()

    async def _read_intent(self, _: str) -> None:
        self._app.dispatch(NoticeCleared())
        await self.read()

    async def read(self) -> None:
        """Reads every provider and checks each one's hash and signature. Raises RpcError; LocalError NO_PROVIDERS where
        there is none.
        """
        state = self._app.state
        rpc = self._wallet.reading
        if state.site is None or rpc is None:
            return
        self._app.dispatch(MarketReading())
        registered = Registered(self._app.seats.crypto, state.site.chain_id, state.site.registry)
        market = Market(MarketPhase.READ)
        try:
            known = dict(state.site.known) | self._blobs
            view = await read_market(registered, rpc, self.guest, known=known)
            market = await self._take(view)
            await self._name_tokens(market)
        finally:
            if self._app.state.site is state.site:
                self._app.dispatch(MarketRead(market))
        if not market.choices and self._app.state.site is state.site:
            raise LocalError(Code.NO_PROVIDERS)

    async def _take(self, view: MarketView) -> Market:
        """What the view holds, checked bit by bit: a thousand signatures at once would hold the page still."""
        listings: dict[bytes, Listing] = {}
        for place, provider in enumerate(view):
            if place % SLICE == SLICE - 1:
                await self._app.seats.world.sleep(0)
            listings[provider] = view.listing(provider)
        self._listings = listings
        self._blobs = {provider: blob for provider in view if (blob := view.blob(provider)) is not None}
        unread = set(view.missing)
        choices = [
            choice
            for listing in listings.values()
            for choice in (
                [Choice(listing.provider, fault=UNREAD)] if listing.provider in unread else choices_of(listing)
            )
        ]
        wrong = any(source.disagrees and source.fault is None for source in view.sources)
        missing = max(0, view.count - len(view)) + len(unread)
        return Market(MarketPhase.READ, tuple(choices), view.count, missing, wrong)

    async def _name_tokens(self, market: Market) -> None:
        """Prices are in what a provider takes: the tokens among it are read by name, ten at most."""
        tokens = {choice.tokens[0]: None for choice in market.choices if choice.tokens and NATIVE not in choice.tokens}
        for token in list(tokens)[:MOST_TOKENS]:
            with contextlib.suppress(RpcError, TallystickError):
                await self._permission.name(token)

    def forget(self) -> None:
        """Another chain has other providers."""
        self._listings, self._blobs = {}, {}

    def informants(self) -> list[Listing]:
        """Providers that can be asked something, as they were last read."""
        return [listing for listing in self._listings.values() if listing.profile is not None]

    async def listing(self, provider: bytes) -> Listing:
        """A provider's listing, as it was last read. Raises TallystickError."""
        if provider not in self._listings:
            await self.read()
        if provider not in self._listings:
            raise LocalError(Code.NOT_REGISTERED)
        return self._listings[provider]

    def choose(self, choice_id: str) -> None:
        """Takes one model of one provider. A deposit that is down belongs to its provider."""
        state = self._app.state
        choice = next((choice for choice in state.market.choices if choice.id == choice_id and not choice.fault), None)
        if choice is None:
            return
        self._app.dispatch(SheetClosed())
        if state.deposit.live and state.deposit.provider != choice.provider:
            self._app.dispatch(Noticed(_held_elsewhere(state, self._app.words)))
            return
        self._app.dispatch(Chosen(choice))


def _held_elsewhere(state: State, t: Words) -> Notice:
    """Why another provider cannot be chosen now, and what has to be done first."""
    held, who = state.deposit, ("provider", holder_name(state))
    if held.phase is DepositPhase.OPEN:
        return Notice("deposit_first", (("delay", span(held.delay, t)), who), quiet=True)
    if held.phase is DepositPhase.REQUESTED:
        time = clock_time(held.expiry, state.now, t, state.offset_minutes)
        return Notice("deposit_back_first", (who, ("time", time)), quiet=True)
    return Notice("deposit_moving", (who,), quiet=True)


def choices_of(listing: Listing) -> list[Choice]:
    """One choice for each text model; one grey entry for a provider whose profile cannot be used."""
    try:
        profile = listing.usable()
    except TallystickError as fault:
        return [Choice(listing.provider, fault=fault.code.name.lower())]
    return [
        Choice(
            listing.provider,
            profile.endpoints[0],
            offer.model,
            offer.price.input,
            offer.price.output,
            offer.context,
            profile.least,
            amount_int(profile.window),
            first=amount_int(profile.first_voucher),
            delay=profile.minimum_delay,
            tokens=profile.tokens,
        )
        for offer in profile.offers
        if offer.kind == SERVED
    ]
