"""Several chains side by side. Each has a market and a deposit of its own; what was said stays.

Switching the page asks the wallet to switch too, and adds the chain only where the wallet does not know it. A wallet
that goes to a chain which the page knows is followed, when the person wants that.
"""

from __future__ import annotations

from ..actions import Linked, NoticeCleared, Noticed, SheetClosed, SheetOpened
from ..app import App
from ..purse.actions import SiteChosen, SitesRead
from ..state import DepositPhase, Link, Notice, Sheet, Site
from .chat import ChatFlow
from .deposit import DepositFlow
from .market import MarketFlow
from .records import Records
from .wallet import WalletFlow

REMEMBERED = "chain"
UNDER_WAY = (DepositPhase.SIGNING, DepositPhase.CLOSING, DepositPhase.REQUESTING, DepositPhase.WITHDRAWING)


class ChainsFlow:
    """Which chain the page works on."""

    def __init__(
        self,
        app: App,
        wallet: WalletFlow,
        market: MarketFlow,
        deposit: DepositFlow,
        chat: ChatFlow,
        records: Records,
    ) -> None:
        self._app, self._wallet, self._market, self._deposit, self._chat = app, wallet, market, deposit, chat
        self._records = records
        app.on("open-chains", lambda _: app.dispatch(SheetOpened(Sheet.CHAINS)))
        app.on("use-chain", self.use)

    async def start(self, sites: tuple[Site, ...]) -> None:
        """The chain used last, else the first."""
        self._app.dispatch(SitesRead(sites))
        kept = await self._app.seats.vault.get(REMEMBERED)
        wanted = int(kept) if kept and kept.isdigit() else 0
        site = next((site for site in sites if site.chain_id == wanted), sites[0] if sites else None)
        if site is not None:
            self._app.dispatch(SiteChosen(site))
            self._records.chain_id = site.chain_id

    async def use(self, chain_id: str) -> None:
        """Goes over to another chain; not while something is under way. Raises RpcError, LocalError WRONG_CHAIN where
        the wallet does not come along: the page then stays where it is.
        """
        state = self._app.state
        site = next((site for site in state.sites if str(site.chain_id) == chain_id), None)
        if site is None or state.site is None:
            return
        if site.chain_id == state.site.chain_id:
            self._app.dispatch(SheetClosed())
            return
        if state.running or state.deposit.phase in UNDER_WAY or state.purse.topping:
            self._app.dispatch(Noticed(Notice("chain_busy", quiet=True)))
            return
        if state.connected:
            await self._wallet.switch_to(site)
        await self._take(site)

    async def _take(self, site: Site) -> None:
        await self._chat.hang_up()
        self._deposit.put_away()
        self._market.forget()
        self._app.dispatch(SheetClosed())
        self._app.dispatch(SiteChosen(site))
        self._app.dispatch(Linked(Link.IDLE))
        self._app.dispatch(NoticeCleared())
        self._records.chain_id = site.chain_id
        await self._app.seats.vault.put(REMEMBERED, str(site.chain_id).encode())
        await self._deposit.load()
        if self._app.state.connected:
            await self._wallet.read_balance()
            self._app.heard("entered")
