"""A deposit found again after the browser was wiped, and taken back to the last wei by the payer's wallet alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect

from tests.e2e.driver import Driver, hide_demo_wallet
from tests.e2e.looks import Photographer
from tests.e2e.stack import PROFILE, Demo, demo
from tests.e2e.wallet import ETHER, Refusal, TestWallet

AMOUNT = ETHER // 2
LONG = 30_000
WIPE = """async () => {
  localStorage.clear();
  sessionStorage.clear();
  for (const { name } of await indexedDB.databases()) {
    const gone = indexedDB.deleteDatabase(name);
    await new Promise((done) => { gone.onsuccess = gone.onblocked = done; });
  }
}"""


class Forgetful(TestWallet):
    """A wallet whose chain's node gives no logs."""

    __test__ = False

    def request(self, method: str, params: list[Any]) -> Any:
        if method == "eth_getLogs":
            raise Refusal(-32005, "logs are not kept")
        return super().request(method, params)


@pytest.fixture(scope="module")
def own(built: Path) -> Any:
    """A demo of their own: these stories move the chain's clock."""
    with demo("--engine", "echo", settings={"TALLYSTICK_PAGE__FILES": str(built)}) as up:
        yield up


@pytest.fixture
def profile(chrome: Browser) -> Any:
    """A browser profile without history."""
    held = chrome.new_context(**PROFILE)
    yield held
    held.close()


def found(page: Driver) -> Locator:
    """The line of the money sheet; opens the sheet."""
    page.page.locator("#wallet button").click()
    return page.sheet.locator(".found")


def looking(page: Driver, kind: type[TestWallet]) -> Callable[[str], None]:
    """Looks at a station in every light and size, in one of the two stories."""
    if kind is not TestWallet:
        return lambda station: None
    photographer = Photographer(page.page)

    def look(station: str) -> None:
        photographer.look(station)
        assert not photographer.faults, "\n".join(photographer.faults)

    return look


@pytest.mark.parametrize("kind", [TestWallet, Forgetful], ids=["by logs", "by a node's records"])
@pytest.mark.screens
def test_wiped_found_asked_back_and_withdrawn(own: Demo, profile: BrowserContext, kind: type[TestWallet]) -> None:
    hide_demo_wallet(profile)
    wallet = kind(own, chain_id=own.chain_id)
    wallet.install(profile)
    others = own.balance(own.channels)
    page = Driver(profile.new_page(), own).open().connect().connected().deposit("0.5").deposited()
    assert own.balance(own.channels) == others + AMOUNT

    page.page.evaluate(WIPE)
    page.page.reload()
    page.ready().connect().connected().says("You have 0.5 ETH in a deposit that this browser does not know.")
    expect(page.notice).to_have_attribute("data-kind", "quiet")
    page.notice.locator("[data-do=open-money]").click()
    line = page.sheet.locator(".found")
    expect(line).to_contain_text("You have 0.5 ETH in a deposit from")
    look = looking(page, kind)
    look("10-found")
    line.locator("[data-do=take-back]").click()
    expect(line).to_have_attribute("data-phase", "requested", timeout=LONG)
    expect(line.locator("button")).to_be_disabled()
    look("11-asked-back")

    page.page.reload()
    page.ready().connected()
    line = found(page)
    expect(line).to_contain_text("is on its way back")
    expect(page.notice).to_have_count(0)
    page.page.keyboard.press("Escape")
    own.call("evm_increaseTime", 3600)
    own.call("evm_mine")
    line = found(page)
    expect(line).to_have_attribute("data-phase", "ready", timeout=LONG)
    look = looking(page, kind)
    look("12-ready")
    before = own.balance(wallet.address)
    line.locator("[data-do=take-rest]").click()
    expect(line).to_contain_text("Withdrawn. 0.5 ETH came back to you.", timeout=LONG)

    look("13-back")
    transaction = line.locator("details span").text_content()
    receipt = own.call("eth_getTransactionReceipt", transaction)
    fee = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert own.balance(wallet.address) == before + AMOUNT - fee
    assert own.balance(own.channels) == others
    assert wallet.prompts.count("eth_sendTransaction") == 3
    page.page.reload()
    page.ready().connected()
    expect(found(page)).to_have_count(0)
