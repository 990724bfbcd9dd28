"""The page: seats, state and flows put together."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import RpcError

from .actions import Booted, Chosen, Spoken, Ticked, WalletsFound
from .app import App, Seats
from .flows.branches import BranchFlow
from .flows.chains import ChainsFlow
from .flows.chat import ChatFlow
from .flows.close import CloseFlow
from .flows.deposit import DepositFlow
from .flows.exchange import ExchangeFlow
from .flows.history import HistoryFlow
from .flows.ledger import LedgerFlow
from .flows.market import MarketFlow
from .flows.network import NetworkFlow
from .flows.palette import PaletteFlow
from .flows.permission import PermissionFlow
from .flows.records import Records
from .flows.recovery import RecoveryFlow
from .flows.search import SearchFlow
from .flows.settings import SettingsFlow
from .flows.setup import SetupFlow
from .flows.shop import ShopFlow
from .flows.top_up import TopUpFlow
from .flows.transactions import Transactions
from .flows.trial import TrialFlow
from .flows.wallet import WalletFlow
from .reader import Reader
from .shop.order import shown
from .shop.state import Filters, Standing
from .site import read_sites
from .state import Choice, State, WalletPhase

TICK = 15.0


@dataclass(frozen=True)
class Page:
    """The running page, for its parts and for tests."""

    app: App
    wallet: WalletFlow
    market: MarketFlow
    deposit: DepositFlow
    history: HistoryFlow
    chat: ChatFlow
    close: CloseFlow
    recovery: RecoveryFlow
    shop: ShopFlow
    ledger: LedgerFlow
    chains: ChainsFlow
    network: NetworkFlow


def build(seats: Seats) -> Page:
    """Everything wired, nothing started."""
    app = App(seats)
    records = Records(seats.vault)
    wallet = WalletFlow(app)
    ledger = LedgerFlow(app, wallet)
    transactions = Transactions(app, wallet, ledger)
    permission = PermissionFlow(app, wallet, transactions)
    market = MarketFlow(app, wallet, permission)
    deposit = DepositFlow(app, wallet, market, records, ledger, permission)
    history = HistoryFlow(app)
    search = SearchFlow(app, history)
    BranchFlow(app)
    PaletteFlow(app)
    SetupFlow(app, history)
    SettingsFlow(app)
    ExchangeFlow(app, history, search)
    chat = ChatFlow(app, market, deposit, records, history)
    close = CloseFlow(app, wallet, deposit, chat, records, transactions)
    recovery = RecoveryFlow(app, wallet, market, deposit, records, transactions)
    TopUpFlow(app, wallet, deposit, permission, transactions, chat, records)
    chains = ChainsFlow(app, wallet, market, deposit, chat, records)
    shop = ShopFlow(app, wallet, market)
    trial = TrialFlow(app, market)
    chat.on_refused = trial.refused
    network = NetworkFlow(app, lambda: _back(page))
    page = Page(app, wallet, market, deposit, history, chat, close, recovery, shop, ledger, chains, network)
    app.on("entered", lambda _: _read_all(page))
    app.watch(Reader(seats.screen))
    app.watch(lambda before, after: _on_connected(page, before, after))
    return page


async def start(page: Page, site_text: str, *, offline: bool = False) -> None:
    """Shows the page and goes on where this browser left off. Asks nobody anything."""
    page.network.moved(offline)
    app, world = page.app, page.app.seats.world
    app.dispatch(Spoken(world.language()))
    page.history.start()
    app.dispatch(WalletsFound(app.seats.wallets.found()))
    sites = read_sites(site_text)
    app.dispatch(Booted(sites[0] if sites else None, world.wall(), world.offset_minutes()))
    await page.chains.start(sites)
    if app.state.site is None and not offline:
        app.fault(LocalError(Code.NO_CONTRACTS))
    page.shop.restore()
    app.draw()
    app.spawn(_restore(page))


async def _restore(page: Page) -> None:
    await page.history.load()
    await page.shop.load()
    await page.ledger.load()
    await page.deposit.load()
    if not page.app.state.offline:  # else `_back` does
        await page.wallet.start()


async def _back(page: Page) -> None:
    """The network is there again."""
    if page.app.state.connected:
        await _read_all(page)
    else:
        await page.wallet.start()


def _on_connected(page: Page, before: State, after: State) -> None:
    """A wallet came: what it can see is read at once."""
    if after.wallet.phase is WalletPhase.CONNECTED and before.wallet.phase is not WalletPhase.CONNECTED:
        page.app.spawn(_read_all(page))


async def _read_all(page: Page) -> None:
    await page.deposit.check()
    await page.close.go_on()
    with contextlib.suppress(RpcError):
        await page.deposit.look_aside()
    try:
        await page.market.read()
    finally:
        page.app.spawn(page.recovery.look())
    page.app.spawn(page.ledger.check())
    state = page.app.state
    ordered = shown(state.market.choices, replace(state.shop, filters=Filters()))
    usable = [choice for choice in ordered if not choice.fault and not _gone(choice, state)]
    if state.chosen is None and usable:  # the best of the default order; the person may choose another
        page.app.dispatch(Chosen(usable[0]))


def _gone(choice: Choice, state: State) -> bool:
    """True where it was seen not to answer."""
    sight = state.shop.sights.get(choice.provider)
    return sight is not None and sight.standing is Standing.GONE


async def _tick(page: Page) -> None:
    while True:
        await page.app.seats.world.sleep(TICK)
        page.app.dispatch(Ticked(page.app.seats.world.wall()))


async def main() -> None:
    """Runs the page in the browser."""
    from . import browser

    page = build(browser.seats())
    page.app.on("reload", lambda _: browser.reload())
    site_text = await browser.site_text()
    await start(page, site_text, offline=browser.offline())
    browser.attach(page.app.heard)
    page.app.spawn(_tick(page))
    browser.mark_ready()
