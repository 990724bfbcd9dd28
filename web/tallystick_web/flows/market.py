"""Reading the market from the chain, through the wallet's own connection, and choosing from it."""

from __future__ import annotations

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.market import Listing, Market
from tallystick_shared.messages import amount_int

from ..actions import Chosen, MarketRead, MarketReading, NoticeCleared, SheetClosed, SheetOpened
from ..app import App
from ..state import Choice, MarketPhase, Sheet
from .wallet import WalletFlow

SERVED = "text"


class MarketFlow:
    """The providers of this chain."""

    def __init__(self, app: App, wallet: WalletFlow) -> None:
        self._app, self._wallet = app, wallet
        self._listings: dict[bytes, Listing] = {}
        app.on("open-market", self._open)
        app.on("read-market", self._read_intent)
        app.on("choose", self.choose)

    async def _open(self, _: str) -> None:
        if not self._app.state.connected:
            await self._wallet.connect()
            return
        self._app.dispatch(SheetOpened(Sheet.MARKET))
        if self._app.state.market.phase is MarketPhase.UNREAD:
            await self.read()

    async def _read_intent(self, _: str) -> None:
        self._app.dispatch(NoticeCleared())
        await self.read()

    async def read(self) -> None:
        """Reads every provider. Raises RpcError; LocalError NO_PROVIDERS where there is none."""
        state = self._app.state
        if state.site is None or self._wallet.rpc is None:
            return
        self._app.dispatch(MarketReading())
        market = Market(self._app.seats.crypto, state.site.chain_id, state.site.registry)
        choices: tuple[Choice, ...] = ()
        try:
            listings = await market.listings(self._wallet.rpc)
            self._listings = {listing.provider: listing for listing in listings}
            choices = tuple(choice for listing in listings for choice in choices_of(listing))
        finally:
            self._app.dispatch(MarketRead(choices))
        if not choices:
            raise LocalError(Code.NO_PROVIDERS)

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
            self._app.fault(LocalError(Code.BAD_PROOF))
            return
        self._app.dispatch(Chosen(choice))


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
            amount_int(profile.minimum_cap),
            amount_int(profile.window),
        )
        for offer in profile.offers
        if offer.kind == SERVED
    ]
