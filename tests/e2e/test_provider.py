"""From nothing to a provider in the console: a wallet that is not the node's signs once and sends one transaction, and
later what only the owner may do starts the sign-in by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tallystick_helper.chat import Answer, Conversation
from tallystick_helper.up import Up
from tallystick_shared.deposit import Terms
from tests.e2e.driver import READY, SLOW
from tests.e2e.stack import Demo
from tests.e2e.wallet import TestWallet
from tests.helper.world import ETHER, World, new_world

T = TypeVar("T")


class Newcomer:
    """A node that nobody announced yet, in a loop of its own thread."""

    def __init__(self, folder: Path, page: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._held = contextlib.AsyncExitStack()
        self.world, self.up = self.do(self._begin(folder, page))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _begin(self, folder: Path, page: Path) -> tuple[World, Up]:
        world = await self._held.enter_async_context(new_world(folder))
        up = Up(world.settings(page={"files": page}))
        self._held.push_async_callback(up.stop)
        await up.start()
        return world, up

    def link(self) -> str:
        """As `tallystick provide --wallet` prints it."""

        async def pair() -> str:
            assert self.up.admin is not None
            return str(self.up.admin.pair()["url"]) + "&go=provide"

        return self.do(pair())

    async def ask(self) -> Answer:
        """Somebody's question, paid from a deposit."""
        account = self.world.account()
        assert self.up.node is not None
        listing = await account.choose(self.up.node.identity.provider)
        deposit, _ = await account.open(listing, Terms(ETHER // 100))
        talking = Conversation(self.world.crypto, self.world.store(), deposit, listing.usable())
        await talking.connect()
        answer = Answer()
        async for piece in talking.ask([("user", "one two three")], "loopback", 8):
            if isinstance(piece, Answer):
                answer = piece
        await talking.settle()
        await talking.leave()
        return answer

    def end(self) -> None:
        self.do(self._held.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def newcomer(tmp_path: Path, built: Path) -> Iterator[Newcomer]:
    made = Newcomer(tmp_path, built)
    yield made
    made.end()


def test_one_transaction_by_the_persons_own_wallet_and_a_paid_request(
    newcomer: Newcomer, context: BrowserContext
) -> None:
    wallet = TestWallet(Demo("", newcomer.world.url, 31337, "", "", "", "", 0), chain_id=31337)
    wallet.install(context)
    TestWallet(wallet.demo, chain_id=31337).install(context, "Other wallet", "org.example.other")
    page = context.new_page()
    page.goto(newcomer.link())
    page.locator("html[data-ready]").wait_for(state="attached", timeout=READY)
    expect(page.locator("[data-step=offer]")).to_be_visible(timeout=SLOW)
    page.locator("[data-do=look-machine]").click()
    expect(page.locator("[data-step=machine] .findings li")).to_have_count(3, timeout=SLOW)
    page.locator("[data-do=look-market]").click()
    expect(page.locator("[data-step=offer]")).to_contain_text("nobody else offers its like here", timeout=SLOW)
    page.locator("#offer-price_out").fill("100")
    page.locator("[data-step=offer] button[type=submit]").click()
    page.locator("[data-do=pick-wallet]", has_text="Test wallet").click()
    expect(page.locator("[data-step=earning]")).to_contain_text(wallet.address.lower(), timeout=SLOW)
    assert wallet.prompts == ["eth_requestAccounts", "eth_signTypedData_v4", "eth_sendTransaction"]
    sent = wallet.demo.call("eth_getTransactionCount", wallet.address, "latest")
    assert len(wallet.transactions) == 1 and sent == "0x1"
    expect(page.locator("[data-step=earning]")).to_contain_text("needs gas")
    answer = newcomer.do(newcomer.ask())
    assert answer.output_units == 8 and answer.amount > 0
    expect(page.locator("[data-step=earning]")).to_contain_text("Paid so far", timeout=SLOW)
    assert newcomer.up.node is not None and newcomer.up.node.profile.offers[0].price.output == 100 * ETHER
    claims(newcomer, wallet, page)


def claims(newcomer: Newcomer, wallet: TestWallet, page: Page) -> None:
    """Another engine, then a claim: the owner picks one of two wallets and signs in once for both."""
    prompts = len(wallet.prompts)
    page.locator("#provide-url").fill("http://127.0.0.1:9")
    page.locator("#provide-url ~ button").click()
    page.locator("[data-do=pick-wallet]", has_text="Test wallet").click()
    expect(page.locator("#notices")).to_contain_text("stopped working", timeout=SLOW)
    assert wallet.prompts[prompts:] == ["eth_requestAccounts", "personal_sign"]
    assert newcomer.up.node is not None
    operator = "0x" + newcomer.up.node.till.sender.address.hex()
    wallet.demo.call("anvil_setBalance", operator, hex(ETHER))
    page.locator(".tab[data-arg=earnings]").click()
    page.locator("[data-do=claim]").click(timeout=SLOW)
    expect(page.locator("#notices")).to_contain_text("The claim was sent.", timeout=SLOW)
    assert wallet.prompts[prompts:] == ["eth_requestAccounts", "personal_sign"]
