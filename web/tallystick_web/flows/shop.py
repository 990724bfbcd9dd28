"""Looking at the market: filters that stand in the page's address, and asking providers how they are.

Whoever is asked learns this browser's network address, so only a click asks: a provider's own sheet, or "ask those
shown". What one's own answers took is noted as they end, and stays in this browser.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec

from tallystick_shared.advert import Advert, AdvertBook
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError, to_int
from tallystick_shared.guest import fetch_advert
from tallystick_shared.market import Listing
from tallystick_shared.profile import registry_domain

from ..actions import SheetOpened
from ..app import App
from ..shop import address
from ..shop.actions import Asking, Filtered, Looked, MoreRows, Seen, SpeedsRead
from ..shop.order import shown
from ..shop.samples import Reach, Sample, Samples
from ..shop.state import Filters, Sight, Sort, Standing
from ..state import Link, Sheet, State, Turn
from .answers import ended
from .guest import deployment
from .market import MarketFlow
from .wallet import WalletFlow

SAMPLES = "samples"
PATIENCE = 8.0
AT_ONCE, MOST = 6, 24
NEW = 3600  # seconds for which a provider that does not answer yet is only joining
ABSENT = (Code.PROVIDER_GONE, Code.TIMED_OUT, Code.TRUNCATED)
FULL = (Code.BUSY, Code.TOO_MANY_CONNECTIONS)


class ShopFlow:
    """How people look at the market."""

    def __init__(self, app: App, wallet: WalletFlow, market: MarketFlow) -> None:
        self._app, self._wallet, self._market = app, wallet, market
        self._samples = Samples()
        self._saving = asyncio.Lock()
        self._book: tuple[object, AdvertBook] | None = None
        self._restored = False
        app.on("input:shop-text", lambda text: self._filter(text=text[: address.LONGEST]))
        app.on("input:shop-sort", self._sort)
        app.on("input:shop-model", lambda model: self._filter(model=model))
        app.on("shop-sort", self._sort)
        for name in ("ready", "free", "tried"):
            app.on(f"shop-{name}", self._toggle(name))
        app.on("shop-clear", lambda _: self._apply(Filters()))
        app.on("shop-more", lambda _: app.dispatch(MoreRows()))
        app.on("open-provider", self._open)
        app.on("ask-provider", self.ask)
        app.on("ask-shown", self.ask_shown)
        app.watch(self._changed)

    # -- filters

    def restore(self) -> None:
        """Takes up what the page's address says; a table that was open is open again."""
        filters = address.read(self._app.seats.address.read())
        self._restored = True
        if filters is not None:
            self._app.dispatch(Filtered(filters))
            self._app.dispatch(SheetOpened(Sheet.MARKET))

    def _toggle(self, name: str) -> Any:
        return lambda _: self._filter(**{name: not getattr(self._app.state.shop.filters, name)})

    def _sort(self, name: str) -> None:
        """The same again turns the order round."""
        held = self._app.state.shop.filters
        try:
            sort = Sort(name)
        except ValueError:
            return
        self._filter(sort=sort, turned=not held.turned if held.sort is sort else False)

    def _filter(self, **changes: Any) -> None:
        self._apply(replace(self._app.state.shop.filters, **changes))

    def _apply(self, filters: Filters) -> None:
        self._app.dispatch(Filtered(filters))
        self._app.seats.address.write(address.written(filters))

    def _changed(self, before: State, after: State) -> None:
        if before.sheet is not after.sheet and self._restored:
            table = (Sheet.MARKET, Sheet.PROVIDER)
            if after.sheet is Sheet.MARKET:
                self._app.seats.address.write(address.written(after.shop.filters))
            elif before.sheet in table and after.sheet not in table:
                self._app.seats.address.write("")
        if after.link is Link.READY and before.link is not Link.READY and after.chosen:
            self._see(after.chosen.provider, Standing.READY)
        for turn in ended(before, after):
            if model := turn.model or (after.chosen.id if after.chosen else ""):
                self._note(model, turn)

    # -- asking

    def _open(self, choice_id: str) -> None:
        """A provider's own sheet; it is asked how it is where that is not known."""
        choice = next((choice for choice in self._app.state.market.choices if choice.id == choice_id), None)
        if choice is None:
            return
        self._app.dispatch(Looked(choice_id))
        self._app.dispatch(SheetOpened(Sheet.PROVIDER))
        if not choice.fault and choice.provider not in self._app.state.shop.sights:
            self._app.spawn(self.ask(choice.provider.hex()))

    async def ask_shown(self, _: str = "") -> None:
        """The first 24 providers of the table, six at a time."""
        state = self._app.state
        rows = shown(state.market.choices, state.shop)[: state.shop.rows]
        providers = list(dict.fromkeys(choice.provider for choice in rows if not choice.fault))[:MOST]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(provider: bytes) -> None:
            async with gate:
                await self._look(provider)

        self._app.dispatch(Asking(frozenset(providers)))
        await asyncio.gather(*map(one, providers))
        await self._save()

    async def ask(self, provider: str) -> None:
        """One of them, by its address in hexadecimal."""
        who = bytes.fromhex(provider)
        if who in self._app.state.shop.asking:
            return
        self._app.dispatch(Asking(frozenset([who])))
        await self._look(who)
        await self._save()

    async def _look(self, provider: bytes) -> None:
        seats, world = self._app.seats, self._app.seats.world
        started = world.monotonic()
        try:
            listing = await self._market.listing(provider)
        except (TallystickError, RpcError):
            self._see(provider, Standing.FAILING, Code.NOT_REGISTERED)
            return
        try:
            async with asyncio.timeout(PATIENCE):
                where = deployment(self._app)
                advert = await fetch_advert(seats.crypto, world, where, listing, self._adverts())
        except TimeoutError:
            await self._missed(listing, Code.TIMED_OUT)
        except TallystickError as error:
            await self._missed(listing, error.code)
        else:
            self._answered(provider, advert, round((world.monotonic() - started) * 1000))

    def _adverts(self) -> AdvertBook:
        """Of this registry: a sequence that never falls is remembered for as long as the page is open."""
        where = deployment(self._app)
        if self._book is None or self._book[0] != where:
            self._book = where, AdvertBook(self._app.seats.crypto, registry_domain(where.chain_id, where.registry))
        return self._book[1]

    def _answered(self, provider: bytes, advert: Advert, round_ms: int) -> None:
        load, promised = advert.load, advert.promised
        self._see(
            provider,
            Standing.BUSY if load.busy else Standing.READY,
            round_ms=round_ms,
            slots=load.slots,
            running=load.running,
            queue=load.queue,
            waiting=load.waiting,
            max_input=promised.max_input,
            streams=promised.streams,
            session=promised.session,
        )

    async def _missed(self, listing: Listing, code: Code) -> None:
        if code in FULL:
            self._see(listing.provider, Standing.BUSY, code)
        elif code is Code.UNKNOWN_SERVICE:
            self._see(listing.provider, Standing.READY)  # it is there, and says nothing of its load
        elif code not in ABSENT:
            self._see(listing.provider, Standing.FAILING, code)
        else:
            new = await self._is_new(listing)
            self._see(listing.provider, Standing.JOINING if new else Standing.GONE, code)

    async def _is_new(self, listing: Listing) -> bool:
        """Announced within the last hour, by its block's time."""
        if self._wallet.rpc is None or not listing.block:
            return False
        try:
            block = await self._wallet.rpc.request("eth_getBlockByNumber", [hex(listing.block), False])
            return self._app.seats.world.wall() - to_int(block["timestamp"]) < NEW
        except (RpcError, KeyError, TypeError, ValueError):
            return False

    def _see(self, provider: bytes, standing: Standing, fault: Code | None = None, **told: int) -> None:
        answered = standing not in (Standing.GONE, Standing.JOINING)
        self._samples = self._samples.with_look(provider, answered)
        counts = self._samples.reach.get(provider.hex(), Reach())
        name = fault.name.lower() if fault else ""
        at = self._app.seats.world.wall()
        seen: dict[str, Any] = {"asked": counts.asked, "answered": counts.answered, **told}
        self._app.dispatch(Seen(provider, Sight(standing, at, fault=name, **seen)))

    # -- what is measured

    async def load(self) -> None:
        """What this browser kept."""
        kept = await self._app.seats.vault.get(SAMPLES)
        if kept:
            try:
                self._samples = msgspec.msgpack.decode(kept, type=Samples)
            except msgspec.MsgspecError:
                return  # figures only: they are made anew
            self._app.dispatch(SpeedsRead(self._samples.speeds()))

    def _note(self, choice: str, turn: Turn) -> None:
        assert turn.usage is not None
        first = -1 if turn.usage.first_ms is None else turn.usage.first_ms
        at = int(self._app.seats.world.wall())
        sample = Sample(at, first, turn.usage.per_second, str(turn.usage.amount))
        self._samples = self._samples.with_answer(choice, sample)
        self._app.dispatch(SpeedsRead(self._samples.speeds()))
        self._app.spawn(self._save())

    async def _save(self) -> None:
        async with self._saving:
            try:
                await self._app.seats.vault.put(SAMPLES, msgspec.msgpack.encode(self._samples))
            except LocalError:
                return  # the table is then forgotten with the page
