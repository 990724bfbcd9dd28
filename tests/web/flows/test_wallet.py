"""Connecting: one prompt after one click, the right chain, and nothing asked after a reload."""

from __future__ import annotations

import asyncio

import pytest

from tallystick_shared.evm.rpc import RpcError
from tallystick_web.app import App
from tallystick_web.flows.wallet import REMEMBERED, WalletFlow
from tallystick_web.main import start
from tallystick_web.ports import WalletInfo
from tallystick_web.state import Notice, Sheet, WalletPhase
from tests.web.flows.pages import SITE_TEXT, page_with
from tests.web.seats import SITE, WALLET, MemoryVault, MemoryWallets, until

PROMPTS = {"eth_requestAccounts", "wallet_switchEthereumChain", "wallet_addEthereumChain", "eth_sendTransaction"}


class Opened:
    """A page that has started, with its wallets."""

    def __init__(self, *found: WalletInfo) -> None:
        self.page = page_with(*found)
        self.app: App = self.page.app
        self.flow: WalletFlow = self.page.wallet
        wallets = self.app.seats.wallets
        assert isinstance(wallets, MemoryWallets)
        self.wallets = wallets

    async def start(self) -> Opened:
        await start(self.page, SITE_TEXT)
        await self.app.idle()
        return self

    async def connect(self, wallet: str = "") -> None:
        self.app.heard("connect", wallet)
        await self.app.idle()

    @property
    def prompts(self) -> list[str]:
        return [method for method in self.wallets.asked if method in PROMPTS]

    @property
    def notice(self) -> Notice | None:
        return self.app.state.notice


async def test_one_wallet_connects_with_one_prompt() -> None:
    opened = await Opened(WALLET).start()
    assert opened.wallets.asked == [], "nothing is asked before a click"
    await opened.connect()
    assert opened.app.state.connected
    assert opened.app.state.wallet.balance == 10**18
    assert opened.prompts == ["eth_requestAccounts"]


async def test_several_wallets_give_a_picker() -> None:
    opened = await Opened(WALLET, WalletInfo("b", "Other")).start()
    await opened.connect()
    assert opened.app.state.sheet is Sheet.WALLETS
    assert opened.prompts == []
    await opened.connect("b")
    assert opened.app.state.wallet.info == WalletInfo("b", "Other")
    assert opened.app.state.sheet is None


async def test_no_wallet_is_said_plainly() -> None:
    opened = await Opened().start()
    await opened.connect()
    assert opened.notice is not None and opened.notice.name == "no_wallet"


async def test_a_wallet_that_comes_late_is_found() -> None:
    opened = await Opened().start()
    opened.wallets.announced = (WALLET,)
    for changed in opened.wallets.changed:
        changed()
    assert opened.app.state.wallets == (WALLET,)


async def test_a_refusal_is_quiet_and_leaves_nothing_connected() -> None:
    opened = await Opened(WALLET).start()
    opened.wallets.refuse("eth_requestAccounts")
    await opened.connect()
    assert opened.notice is not None and (opened.notice.name, opened.notice.quiet) == ("refused", True)
    assert opened.app.state.wallet.phase is WalletPhase.NONE


class Elsewhere:
    """A wallet's chain that can be switched."""

    def __init__(self, wallets: MemoryWallets, *, known: bool) -> None:
        self.chain, self.known = 1, known
        wallets.answers["eth_chainId"] = lambda _: hex(self.chain)
        wallets.answers["wallet_switchEthereumChain"] = self.switch
        wallets.answers["wallet_addEthereumChain"] = self.add

    def switch(self, params: list[dict[str, str]]) -> RpcError | None:
        if not self.known:
            return RpcError(4902, "Unrecognized chain ID")
        self.chain = int(params[0]["chainId"], 16)
        return None

    def add(self, params: list[dict[str, str]]) -> None:
        self.added, self.known = params[0], True
        self.chain = int(params[0]["chainId"], 16)


async def test_the_chain_is_switched_where_the_wallet_knows_it() -> None:
    opened = await Opened(WALLET).start()
    Elsewhere(opened.wallets, known=True)
    await opened.connect()
    assert opened.app.state.connected
    assert opened.prompts == ["eth_requestAccounts", "wallet_switchEthereumChain"]


async def test_the_chain_is_added_only_where_the_wallet_does_not_know_it() -> None:
    opened = await Opened(WALLET).start()
    chain = Elsewhere(opened.wallets, known=False)
    await opened.connect()
    assert opened.prompts == ["eth_requestAccounts", "wallet_switchEthereumChain", "wallet_addEthereumChain"]
    assert chain.added["chainName"] == SITE.chain_name
    assert chain.added["rpcUrls"] == list(SITE.rpc)


async def test_a_wallet_that_stays_elsewhere_is_on_the_wrong_chain() -> None:
    opened = await Opened(WALLET).start()
    Elsewhere(opened.wallets, known=True)
    opened.wallets.answers["wallet_switchEthereumChain"] = lambda _: None
    await opened.connect()
    assert opened.notice is not None and opened.notice.name == "wrong_chain"
    assert not opened.app.state.connected


@pytest.mark.parametrize(("code", "name"), [(4001, "refused"), (4200, "wallet_unsupported")])
async def test_a_switch_that_is_refused_or_not_possible(code: int, name: str) -> None:
    opened = await Opened(WALLET).start()
    Elsewhere(opened.wallets, known=True)
    opened.wallets.refuse("wallet_switchEthereumChain", code)
    await opened.connect()
    assert opened.notice is not None and opened.notice.name == name


async def test_after_a_reload_nothing_is_asked() -> None:
    first = await Opened(WALLET).start()
    await first.connect()
    second = Opened(WALLET)
    vault, kept = second.app.seats.vault, first.app.seats.vault
    assert isinstance(vault, MemoryVault) and isinstance(kept, MemoryVault)
    vault.values = kept.values
    assert kept.values[REMEMBERED] == WALLET.id.encode()
    await second.start()
    assert second.app.state.connected
    assert second.prompts == []


async def test_after_a_reload_on_another_chain_the_person_decides() -> None:
    opened = Opened(WALLET)
    Elsewhere(opened.wallets, known=True)
    await opened.app.seats.vault.put(REMEMBERED, WALLET.id.encode())
    await opened.start()
    assert opened.notice is not None and opened.notice.name == "wrong_chain"
    assert opened.prompts == []
    opened.app.heard("switch")
    await opened.app.idle()
    assert opened.app.state.connected
    assert opened.notice is not None and opened.notice.name == "no_providers"


async def test_changes_in_the_wallet_are_followed() -> None:
    opened = await Opened(WALLET).start()
    await opened.connect()
    (heard,) = opened.wallets.heard
    heard("chainChanged", "0x1")
    assert opened.notice is not None and opened.notice.name == "wrong_chain"
    heard("accountsChanged", ["0x" + "bb" * 20])
    assert opened.app.state.wallet.account == b"\xbb" * 20
    await asyncio.sleep(0)
    heard("accountsChanged", [])
    assert not opened.app.state.connected
    await until(opened.app, lambda state: not state.connected)
