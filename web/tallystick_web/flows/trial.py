"""Asking without a wallet: finds a provider that gives something away, and counts what is left of it.

Only a click looks for one, since whoever is asked learns this browser's network address. What was used today is kept
in this browser, by provider, so that a reload tells the same.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec

from tallystick_shared.advert import AdvertBook
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.guest import fetch_advert
from tallystick_shared.market import Listing
from tallystick_shared.profile import registry_domain
from tallystick_shared.trial_offer import TrialOffer

from ..actions import Chosen, NoticeCleared, Noticed
from ..app import App
from ..purse.actions import TrialMoved
from ..purse.trial import TrialPhase
from ..shop.order import shown
from ..shop.state import Filters
from ..state import Choice, MarketPhase, Notice, State
from ..views.parts import provider_name
from .answers import ended
from .guest import deployment
from .market import MarketFlow

USED = "trial"
CANDIDATES = 6
PATIENCE = 8.0
LEAST = 32
DAY = 86_400


class Used(msgspec.Struct, frozen=True):
    """Tokens had for nothing on one day (of UTC), by the provider's address in hexadecimal."""

    day: int = 0
    units: dict[str, int] = {}


class TrialFlow:
    """What is given away, and to this browser."""

    def __init__(self, app: App, market: MarketFlow) -> None:
        self._app, self._market = app, market
        app.on("try-free", self.look)
        app.watch(self._changed)

    async def look(self, _: str = "") -> None:
        """Asks providers in the market's order, six at most, until one gives something away. Raises RpcError,
        LocalError NO_PROVIDERS where there is none at all.
        """
        if self._app.state.trial.phase is TrialPhase.LOOKING:
            return
        self._app.dispatch(NoticeCleared())
        self._app.dispatch(TrialMoved({"phase": TrialPhase.LOOKING}))
        try:
            found = await self._find()
        except (TallystickError, RpcError):
            self._app.dispatch(TrialMoved({"phase": TrialPhase.OFF}))
            raise
        if found is None:
            self._app.dispatch(TrialMoved({"phase": TrialPhase.NONE}))
            self._app.dispatch(Noticed(Notice("no_trial", quiet=True)))
            return
        self._app.dispatch(Chosen(found[0]))
        self._take(*found)
        self._app.seats.screen.to_draft()

    async def _look_at(self, choice: Choice) -> None:
        """Another provider was chosen: does it give anything away?"""
        offer = await self._asked(await self._market.listing(choice.provider))
        if offer is not None:
            self._take(choice, offer, self._left(choice, offer, await self._used()))
            return
        self._app.dispatch(TrialMoved({"phase": TrialPhase.NONE}))
        self._app.dispatch(Noticed(Notice("no_trial_here", (("provider", provider_name(choice)),), quiet=True)))

    @staticmethod
    def _left(choice: Choice, offer: TrialOffer, used: Used) -> int:
        return max(0, min(offer.left, offer.guest - used.units.get(choice.provider.hex(), 0)))

    def _take(self, choice: Choice, offer: TrialOffer, left: int) -> None:
        known = {"provider": choice.provider, "left": left, "most": offer.most, "renews": offer.renews}
        phase = TrialPhase.ON if left >= LEAST else TrialPhase.OVER
        self._app.dispatch(TrialMoved({"phase": phase, **known}))

    async def _find(self) -> tuple[Choice, TrialOffer, int] | None:
        """The first that has something left; else the first that gives anything at all."""
        if self._app.state.market.phase is MarketPhase.UNREAD:
            await self._market.read()
        state, spent = self._app.state, None
        used = await self._used()
        for choice in candidates(state)[:CANDIDATES]:
            offer = await self._asked(await self._market.listing(choice.provider))
            if offer is None:
                continue
            left = self._left(choice, offer, used)
            if left >= LEAST:
                return choice, offer, left
            spent = spent or (choice, offer, left)
        return spent

    async def _asked(self, listing: Listing) -> TrialOffer | None:
        """What its advert says; nothing where it does not answer."""
        seats, where = self._app.seats, deployment(self._app)
        book = AdvertBook(seats.crypto, registry_domain(where.chain_id, where.registry))
        try:
            async with asyncio.timeout(PATIENCE):
                return (await fetch_advert(seats.crypto, seats.world, where, listing, book)).trial
        except (TallystickError, TimeoutError):
            return None

    # -- what is left

    def _changed(self, before: State, after: State) -> None:
        chosen = after.chosen
        if after.trial.on and chosen is not None and chosen.provider not in (after.trial.provider, _of(before)):
            self._app.spawn(self._look_at(chosen))
        for turn in ended(before, after):
            if turn.usage is not None and turn.usage.free:
                spent = turn.usage.input_units + turn.usage.output_units
                left = max(0, after.trial.left - spent)
                self._app.dispatch(TrialMoved({"left": left}))
                self._app.spawn(self._keep(after.trial.provider, spent))

    def refused(self, error: TallystickError, retry_after_ms: int) -> None:
        """The provider knows better what is left."""
        if error.code is Code.TRIAL_OVER:
            renews = int(self._app.seats.world.wall()) + retry_after_ms // 1000
            self._app.dispatch(TrialMoved({"phase": TrialPhase.OVER, "left": 0, "renews": renews}))

    async def _used(self) -> Used:
        kept = await self._app.seats.vault.get(USED)
        today = int(self._app.seats.world.wall()) // DAY
        if kept:
            try:
                used = msgspec.msgpack.decode(kept, type=Used)
            except msgspec.MsgspecError:
                return Used(today)
            if used.day == today:
                return used
        return Used(today)

    async def _keep(self, provider: bytes, units: int) -> None:
        used = await self._used()
        name = provider.hex()
        kept = Used(used.day, {**used.units, name: used.units.get(name, 0) + units})
        try:
            await self._app.seats.vault.put(USED, msgspec.msgpack.encode(kept))
        except LocalError:
            return  # the provider counts for itself


def _of(state: State) -> bytes:
    return state.chosen.provider if state.chosen else b""


def candidates(state: State) -> list[Choice]:
    """One model of each provider, in the market's own order; the one that is chosen comes first."""
    ordered = shown(state.market.choices, replace(state.shop, filters=Filters()))
    first = [state.chosen] if state.chosen is not None else []
    found: dict[bytes, Choice] = {}
    for choice in (*first, *ordered):
        if not choice.fault:
            found.setdefault(choice.provider, choice)
    return list(found.values())
