"""A page that is left in the middle: refreshed, closed or crashed, during a deposit, a stream and a close; and two tabs
on one channel. Nothing is lost, nothing is paid twice, and the page says what happened and what comes next.

The short form leaves each moment in one way, and takes each way once; the long form has all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, expect

from tests.e2e.driver import Driver, hide_demo_wallet
from tests.e2e.stack import PROFILE, Demo, demo
from tests.e2e.wallet import ETHER, TestWallet

AMOUNT = ETHER // 2
LONG = 30_000
WAYS = ("refresh", "close", "crash")


def ways(short: str) -> pytest.MarkDecorator:
    """All three; only one of them in the short form."""
    every = [way if way == short else pytest.param(way, marks=pytest.mark.full) for way in WAYS]
    return pytest.mark.parametrize("way", every)


@pytest.fixture(scope="module")
def own(built: Path) -> Iterator[Demo]:
    """A demo of their own: these stories hold the chain's blocks back."""
    settings = {"TALLYSTICK_PAGE__FILES": str(built), "TALLYSTICK_LISTEN__HANDSHAKE_BURST": "1000"}
    settings["TALLYSTICK_ENGINE__OPTIONS"] = '{"rate": 60, "slots": 4}'
    with demo("--engine", "echo", settings=settings) as up:
        yield up


@pytest.fixture
def profile(chrome: Browser) -> Iterator[BrowserContext]:
    """A browser profile without history."""
    held = chrome.new_context(**PROFILE)
    hide_demo_wallet(held)
    yield held
    held.close()


@pytest.fixture
def person(own: Demo, profile: BrowserContext) -> Iterator[TestWallet]:
    wallet = TestWallet(own, chain_id=own.chain_id)
    wallet.install(profile)
    yield wallet
    own.call("evm_setAutomine", True)


def opened(profile: BrowserContext, own: Demo) -> Driver:
    return Driver(profile.new_page(), own).open()


def left(page: Driver, way: str) -> Driver:
    """Leaves in that way, and comes back."""
    if way == "refresh":
        page.page.reload()
        return page.ready()
    context = page.page.context
    if way == "crash":
        with pytest.raises(Error):
            page.page.goto("chrome://crash")
    page.page.close()
    return opened(context, page.demo)


def in_contract(own: Demo, wallet: TestWallet) -> int:
    """What this wallet's deposits hold, by the contract's own events."""
    topic = "0x" + "0" * 24 + wallet.address[2:].lower()
    logs = own.call(
        "eth_getLogs", {"address": own.channels, "fromBlock": "0x0", "toBlock": "latest", "topics": [None, None, topic]}
    )
    return len(logs)


@ways("refresh")
def test_left_while_the_deposit_is_on_its_way(own: Demo, profile: BrowserContext, person: TestWallet, way: str) -> None:
    page = opened(profile, own).connect().connected()
    own.call("evm_setAutomine", False)
    page.deposit("0.5")
    expect(page.page.locator("#money .inner")).to_have_attribute("data-phase", "sent", timeout=LONG)

    page = left(page, way).connected()
    expect(page.page.locator("#status")).to_have_text("Your question goes out when the network has the deposit.")
    page.page.locator("#wallet .account").click()
    expect(page.sheet).to_contain_text("The network has it. Waiting for a block", timeout=LONG)
    expect(page.sheet).to_contain_text("On its way: until it is in a block, your wallet still has it.")
    page.do("close-sheet")
    own.call("evm_setAutomine", True)
    own.call("evm_mine")
    page.deposited()
    expect(page.part("deposit")).to_have_text("0.5 ETH")
    assert len(person.transactions) == 1 and in_contract(own, person) == 1
    page.ask("Still there?").streaming()
    page.stop().answered()


HOLD = """() => { const real = window.wallet_org_example_test;
  window.wallet_org_example_test = (text) =>
    JSON.parse(text).method === "eth_sendTransaction" ? new Promise(() => {}) : real(text); }"""


@ways("refresh")
def test_left_while_the_wallet_asks(own: Demo, profile: BrowserContext, person: TestWallet, way: str) -> None:
    page = opened(profile, own).connect().connected()
    page.page.evaluate(HOLD)
    page.deposit("0.5")
    expect(page.sheet).to_contain_text("Answer in your wallet")
    page = left(page, way).connected()
    expect(page.part("deposit")).to_have_text("none")
    assert person.transactions == [], "nothing was sent"
    page.deposit("0.5").deposited()
    assert len(person.transactions) == 1


@ways("crash")
def test_left_in_the_middle_of_an_answer(own: Demo, profile: BrowserContext, person: TestWallet, way: str) -> None:
    page = opened(profile, own).connect().connected().deposit("0.5").deposited()
    page.ask("Tell me a very long story about tally sticks")
    answer = page.streaming()
    page.page.wait_for_function(
        "() => document.querySelector('[data-answer] .answer')?.innerText.length > 120", timeout=LONG
    )
    before = int(page.page.locator("#money .inner").get_attribute("data-durable") or 0)
    expect(answer).to_be_visible()

    page = left(page, way).connected()
    expect(page.page.locator(".message.user")).to_contain_text("a very long story")
    bar = page.page.locator("#money .inner")
    expect(bar).to_have_attribute("data-phase", "open", timeout=LONG)
    page.ask("And now something else").streaming()
    page.stop()
    expect(page.page.locator("[data-state=streaming]")).to_have_count(0, timeout=LONG)
    page.do("open-close")
    page.sheet.locator("[data-do=close-deposit]").click()
    expect(page.sheet).to_contain_text("Closed.", timeout=LONG)
    paid, back = ended(page)
    assert before <= paid and paid + back == AMOUNT
    assert len(person.transactions) == 1
    answers = page.page.evaluate(
        "[...document.querySelectorAll('[data-answer]')].map((one) => Number(one.dataset.amount))"
    )
    assert paid >= sum(answers), "what is shown was paid, at most what was delivered while nobody looked besides"


def ended(page: Driver) -> tuple[int, int]:
    """(paid, back) in wei, by the deposit's own event."""
    # That it has ended the contract says at once; by which transaction, the logs a little later.
    expect(page.page.locator("#money .inner[data-end-tx^='0x']")).to_have_count(1)
    transaction = page.page.locator("#money .inner").get_attribute("data-end-tx")
    receipt: dict[str, Any] = page.demo.call("eth_getTransactionReceipt", transaction)
    paid = int(page.page.locator("#money .inner").get_attribute("data-paid") or 0)
    back = int(page.page.locator("#money .inner").get_attribute("data-refunded") or 0)
    assert receipt["status"] == "0x1"
    return paid, back


@ways("close")
def test_left_in_the_middle_of_a_close(own: Demo, profile: BrowserContext, person: TestWallet, way: str) -> None:
    page = opened(profile, own).connect().connected().deposit("0.5").deposited()
    page.ask("Once").streaming()
    page.stop().answered()
    before = own.balance(person.address)
    own.call("evm_setAutomine", False)
    page.do("open-close")
    page.sheet.locator("[data-do=close-deposit]").click()
    expect(page.page.locator("#money .inner")).to_have_attribute("data-phase", "closing", timeout=LONG)
    waits_for(own)

    page = left(page, way).connected()
    expect(page.page.locator("#money .inner")).to_have_attribute("data-phase", "closing", timeout=LONG)
    expect(page.page.locator("#status")).to_have_text("Closing the deposit")
    own.call("evm_setAutomine", True)
    own.call("evm_mine")
    expect(page.page.locator("#status")).to_have_text("The deposit is closed. Make a new one to go on.", timeout=LONG)
    expect(page.part("deposit")).to_have_text("none")
    paid, back = ended(page)
    assert paid > 0 and own.balance(person.address) == before + back == before + AMOUNT - paid
    page.page.locator("#wallet .account").click()
    page.do("open-ledger")
    closed = page.sheet.locator(".entry[data-kind=close]")
    expect(closed).to_have_count(1)
    expect(closed).to_contain_text("back")


def test_closed_while_the_page_was_away(own: Demo, profile: BrowserContext, person: TestWallet) -> None:
    page = opened(profile, own).connect().connected().deposit("0.5").deposited()
    page.ask("Once").streaming()
    page.stop().answered()
    own.call("evm_setAutomine", False)
    page.do("open-close")
    page.sheet.locator("[data-do=close-deposit]").click()
    waits_for(own)
    context = page.page.context
    page.page.close()
    own.call("evm_setAutomine", True)
    own.call("evm_mine")
    page = opened(context, own).connected().says("Your deposit is closed;")
    expect(page.notice).to_have_attribute("data-kind", "quiet")
    paid, back = ended(page)
    assert paid > 0 and paid + back == AMOUNT


def waits_for(own: Demo) -> None:
    """Waits until the provider's transaction is in the pool."""
    ends = time.monotonic() + 20
    while int(own.call("txpool_status")["pending"], 16) == 0:
        assert time.monotonic() < ends, "the provider sent nothing"


def test_two_tabs_on_one_channel(own: Demo, profile: BrowserContext, person: TestWallet) -> None:
    first = opened(profile, own).connect().connected().deposit("0.5").deposited()
    first.ask("First tab").streaming()
    second = opened(profile, own).connected()
    second.ask("Second tab").says("This deposit is in use in another tab.")
    second.do("open-close")
    second.sheet.locator("[data-do=close-deposit]").click()
    second.do("close-sheet")
    second.says("This deposit is in use in another tab.")
    expect(second.page.locator("#money .inner")).to_have_attribute("data-phase", "open")
    first.stop().answered()
    first.page.close()

    second.notice.locator("[data-do=reload]").click()
    second.ready().connected()
    expect(second.streaming()).to_contain_text("Second tab")  # its question waited for the deposit
    second.stop()
    expect(second.page.locator("[data-state=streaming]")).to_have_count(0, timeout=LONG)
    second.do("open-close")
    second.sheet.locator("[data-do=close-deposit]").click()
    expect(second.sheet).to_contain_text("Closed.", timeout=LONG)
    paid, back = ended(second)
    assert paid > 0 and paid + back == AMOUNT and len(person.transactions) == 1


def test_two_tabs_make_one_deposit(own: Demo, profile: BrowserContext, person: TestWallet) -> None:
    first = opened(profile, own).connect().connected()
    second = opened(profile, own).connected()
    first.deposit("0.5").deposited()
    second.deposit("0.5").says("Another tab made a deposit meanwhile; it is used here too.")
    expect(second.part("deposit")).to_have_text("0.5 ETH")
    assert len(person.transactions) == 1 and in_contract(own, person) == 1
