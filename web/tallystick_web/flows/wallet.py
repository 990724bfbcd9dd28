"""Finding a wallet, connecting it, and being on the right chain. A prompt of the wallet only ever follows a click."""

from __future__ import annotations

import asyncio
from typing import Any

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import Rpc, RpcError, to_bytes, to_hex, to_int

from ..actions import BalanceRead, NoticeCleared, Noticed, SheetClosed, SheetOpened, WalletMoved, WalletsFound
from ..app import App
from ..faults import CHAIN_UNKNOWN
from ..ports import WalletInfo
from ..state import Notice, Sheet, Site, WalletPhase
from .pending import Sent
from .rpc import SiteRpc, WalletRpc

REMEMBERED = "wallet"
WRONG, MOVED = "wrong_chain", "wallet_moved"


class WalletFlow:
    """The wallet in use, and the chain behind it."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._heard_from: set[str] = set()
        self.rpc: WalletRpc | None = None
        self._spelled: dict[bytes, str] = {}
        self.connected = asyncio.Event()
        app.on("connect", self.connect)
        app.on("switch", self._switch_intent)

    @property
    def reading(self) -> Rpc | None:
        """What the chain is read by: the wallet once it is connected, else the site's own addresses; None where there
        is neither.
        """
        site = self._app.state.site
        if self._app.state.connected or site is None or not site.rpc:
            return self.rpc
        return SiteRpc(self._app.seats.world, site.rpc)

    async def start(self) -> None:
        """Shows the wallets that announced themselves, and goes on with the one used last, without asking it
        anything.
        """
        self._app.seats.wallets.watch(self._found)
        self._found()
        remembered = await self._app.seats.vault.get(REMEMBERED)
        if remembered:
            await self._resume(remembered.decode())

    def _found(self) -> None:
        self._app.dispatch(WalletsFound(self._app.seats.wallets.found()))

    async def _resume(self, wallet: str) -> None:
        info = self._info(wallet)
        if info is None:
            return
        self.rpc = WalletRpc(self._app.seats.wallets, info.id)
        accounts: Any = await self.rpc.request("eth_accounts", [])
        if accounts:
            await self._enter(info, accounts[0], may_switch=False)

    def _info(self, wallet: str) -> WalletInfo | None:
        return next((info for info in self._app.seats.wallets.found() if info.id == wallet), None)

    async def connect(self, wallet: str = "") -> None:
        """One wallet connects at once, several give a picker. Raises LocalError NO_WALLET; RpcError 4001 where the
        person says no.
        """
        self._found()
        found = self._app.state.wallets
        if not found:
            raise LocalError(Code.NO_WALLET)
        if not wallet and len(found) > 1:
            self._app.dispatch(SheetOpened(Sheet.WALLETS))
            return
        info = self._info(wallet) or found[0]
        self._app.dispatch(SheetClosed())
        self._app.dispatch(WalletMoved(WalletPhase.CONNECTING, info))
        self.rpc = WalletRpc(self._app.seats.wallets, info.id)
        try:
            accounts: Any = await self.rpc.request("eth_requestAccounts", [])
            await self._enter(info, accounts[0], may_switch=True)
        except (RpcError, LocalError):
            self._app.dispatch(WalletMoved(WalletPhase.NONE))
            raise

    async def _enter(self, info: WalletInfo, account: str, *, may_switch: bool) -> None:
        await self.ensure_chain(may_switch=may_switch)
        self._app.dispatch(WalletMoved(WalletPhase.CONNECTED, info, self._account(account)))
        self._listen(info.id)
        await self._app.seats.vault.put(REMEMBERED, info.id.encode())
        self.connected.set()
        await self.read_balance()

    def _account(self, text: str) -> bytes:
        """An account as 20 bytes. Some wallets know it only as they spelled it themselves, capitals and all."""
        account = to_bytes(text)
        self._spelled[account] = text
        return account

    @property
    def spelled(self) -> str:
        """The account in use, as the wallet spells it."""
        account = self._app.state.wallet.account
        return self._spelled.get(account, to_hex(account))

    def _listen(self, wallet: str) -> None:
        if wallet not in self._heard_from:
            self._heard_from.add(wallet)
            self._app.seats.wallets.listen(wallet, self._heard)

    def _heard(self, name: str, value: Any) -> None:
        state = self._app.state
        if not state.connected:
            return
        if name == "accountsChanged" and not value:
            self.connected.clear()
            self._app.dispatch(WalletMoved(WalletPhase.NONE))
        elif name == "accountsChanged":
            self._app.dispatch(WalletMoved(WalletPhase.CONNECTED, account=self._account(value[0])))
            self._app.spawn(self.read_balance())
        elif name == "chainChanged" and state.site:
            self._moved(to_int(value), state.site)

    def _moved(self, chain_id: int, site: Site) -> None:
        """The wallet went to another chain, or came back. Where the page knows it, the person may follow."""
        notice = self._app.state.notice
        if chain_id == site.chain_id:
            if notice is not None and notice.name in (WRONG, MOVED):
                self._app.dispatch(NoticeCleared())
            return
        known = next((one for one in self._app.state.sites if one.chain_id == chain_id), None)
        if known is None:
            self._app.fault(LocalError(Code.WRONG_CHAIN))
            return
        values = (("chain", site.chain_name), ("chain_id", str(chain_id)), ("other", known.chain_name))
        self._app.dispatch(Noticed(Notice(MOVED, values)))

    async def switch_to(self, site: Site) -> None:
        """The wallet goes to that chain; the page does not move. Raises RpcError, LocalError WRONG_CHAIN."""
        await self.ensure_chain(may_switch=True, wanted=site)

    async def _switch_intent(self, _: str) -> None:
        if not self._app.state.connected:
            await self.connect(self.rpc.wallet if self.rpc else "")
            return
        await self.ensure_chain(may_switch=True)
        self._app.dispatch(NoticeCleared())
        await self.read_balance()

    async def ensure_chain(self, *, may_switch: bool, wanted: Site | None = None) -> None:
        """Switches first, adds only what the wallet does not know. Raises LocalError WRONG_CHAIN."""
        site, rpc = wanted or self._site(), self._rpc()
        if to_int(str(await rpc.request("eth_chainId", []))) == site.chain_id:
            return
        if not may_switch:
            raise LocalError(Code.WRONG_CHAIN)
        if not self._app.state.connected:
            self._app.dispatch(WalletMoved(WalletPhase.SWITCHING))
        try:
            await rpc.request("wallet_switchEthereumChain", [{"chainId": hex(site.chain_id)}])
        except RpcError as error:
            if error.code != CHAIN_UNKNOWN and str(CHAIN_UNKNOWN) not in error.message:
                raise
            await rpc.request("wallet_addEthereumChain", [_chain(site)])
        if to_int(str(await rpc.request("eth_chainId", []))) != site.chain_id:
            raise LocalError(Code.WRONG_CHAIN)

    async def send(self, call: dict[str, str]) -> Sent:
        """One prompt for one transaction: `to`, `data`, `value`. Raises LocalError NO_WALLET, WRONG_CHAIN; RpcError."""
        rpc, account = self._rpc(), self._app.state.wallet.account
        if not self._app.state.connected:
            raise LocalError(Code.NO_WALLET)
        await self.ensure_chain(may_switch=True)
        nonce = to_int(str(await rpc.request("eth_getTransactionCount", [to_hex(account), "pending"])))
        transaction = await rpc.request("eth_sendTransaction", [{"from": self.spelled, **call}])
        return Sent(str(transaction), account, to_bytes(call["to"]), nonce)

    async def read_balance(self) -> None:
        """Reads what the account holds."""
        account, site = self._app.state.wallet.account, self._app.state.site
        if account and self.rpc:
            balance = await self.rpc.request("eth_getBalance", ["0x" + account.hex(), "latest"])
            if self._app.state.site is site and self._app.state.wallet.account == account:
                self._app.dispatch(BalanceRead(to_int(str(balance))))

    def _rpc(self) -> WalletRpc:
        if self.rpc is None:
            raise LocalError(Code.NO_WALLET)
        return self.rpc

    def _site(self) -> Site:
        site = self._app.state.site
        if site is None:
            raise LocalError(Code.NO_CONTRACTS)
        return site


def _chain(site: Site) -> dict[str, Any]:
    """EIP-3085."""
    told: dict[str, Any] = {
        "chainId": hex(site.chain_id),
        "chainName": site.chain_name,
        "rpcUrls": list(site.rpc),
        "nativeCurrency": {"name": site.coin.symbol, "symbol": site.coin.symbol, "decimals": site.coin.decimals},
    }
    if site.explorer:
        told["blockExplorerUrls"] = [site.explorer]
    return told
