"""The main story: connect, choose, deposit, ask, read, refresh, stop, close. With a wallet that signs for real."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.e2e.driver import Driver
from tests.e2e.stack import Demo
from tests.e2e.wallet import ETHER, TestWallet
from tests.e2e.wire import Wire

CANARY = "zebra-quartz-lantern"


def test_from_a_wallet_to_a_streamed_answer_and_back(
    wallet: TestWallet, page: Driver, running: Demo, line: Wire
) -> None:
    origins: set[str] = set()
    page.page.on("request", lambda request: origins.add(origin(request.url)))
    page.page.on("websocket", lambda socket: origins.add(origin(socket.url)))

    others = running.balance(running.channels)
    page.open().connect().connected()
    assert wallet.prompts == ["eth_requestAccounts", "wallet_switchEthereumChain", "wallet_addEthereumChain"]
    expect(page.part("wallet")).to_have_text("10 ETH")

    page.deposit("0.5").deposited()
    page.ask(f"Say {CANARY} three times")
    page.streaming()
    page.stop()
    answer = page.answered()
    expect(answer).to_contain_text(CANARY)
    expect(answer.locator(".cost")).to_contain_text(re.compile(r"Stopped by you.*ETH.*question.*tokens, answer"))
    expect(page.page.locator("#money .count")).not_to_have_text("0 notches")

    page.page.reload()
    page.ready()
    expect(page.answers).to_have_count(1)
    page.ask("Once more")
    page.streaming()
    page.page.keyboard.press("Escape")
    page.answered(2)

    page.do("open-close")
    page.sheet.locator("[data-do=close-deposit]").click()
    expect(page.sheet).to_contain_text("Closed.", timeout=20_000)
    assert wallet.prompts[3:] == ["eth_sendTransaction"], "the deposit is the only prompt after connecting"
    assert len(wallet.transactions) == 1
    assert running.balance(running.channels) == others
    assert running.balance(wallet.address) > 9 * ETHER

    assert origins == {origin(running.page), origin(running.provider_endpoint)}, "no request to anyone else"
    assert CANARY.encode() not in line.seen, "nobody on the way could read along"


def test_a_question_typed_before_python_is_there_waits_and_goes_out(wallet: TestWallet, page: Driver) -> None:
    page.page.goto(page.demo.page, wait_until="commit")
    page.page.locator("#draft").fill("Typed early")
    page.page.locator("#draft").press("Enter")
    expect(page.page.locator(".message.user")).to_contain_text("Typed early")
    page.ready().connect().connected().deposit("0.2").deposited()
    page.streaming()
    page.stop()
    expect(page.answered()).to_contain_text("Typed early")


def test_the_demos_own_wallet_signs_for_real(page: Driver) -> None:
    page.open()
    expect(page.page.locator("#banner")).to_contain_text("worth nothing")
    page.connect().connected().deposit("0.3").deposited()
    page.ask("Hello from the demo")
    page.streaming()
    page.stop()
    page.answered()
    expect(page.part("deposit")).to_have_text("0.3 ETH")


def test_two_wallets_give_a_picker(wallet: TestWallet, page: Driver, running: Demo) -> None:
    other = TestWallet(running, chain_id=running.chain_id)
    other.install(page.page.context, "Second wallet", "org.example.second")
    page.open().connect()
    page.sheet.get_by_role("button", name="Second wallet").click()
    page.connected()
    assert wallet.prompts == [] and other.prompts == ["eth_requestAccounts"]


def origin(url: str) -> str:
    """Who is asked, by whatever scheme: Firefox tells of a WebSocket as the request that opens it."""
    return urlsplit(url).netloc
