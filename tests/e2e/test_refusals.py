"""What goes wrong, each with one clear sentence and a next step, and no money lost."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_utils import to_checksum_address
from playwright.sync_api import BrowserContext, expect

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.evm.registry import Registry
from tests.e2e.driver import Driver, hide_demo_wallet
from tests.e2e.stack import Demo
from tests.e2e.wallet import TestWallet
from tests.e2e.wire import Wire


def test_no_wallet(context: BrowserContext, page: Driver) -> None:
    hide_demo_wallet(context)
    page.open()
    expect(page.page.locator(".steps")).to_contain_text("No wallet was found in this browser.")
    page.connect()
    page.says("No wallet was found in this browser. Install one")


def test_saying_no_to_connecting_is_not_a_fault(wallet: TestWallet, page: Driver) -> None:
    wallet.refuse = {"eth_requestAccounts"}
    page.open().connect().says("You said no; nothing was sent.")
    expect(page.notice).to_have_attribute("data-kind", "quiet")


def test_saying_no_to_another_chain(wallet: TestWallet, page: Driver) -> None:
    wallet.refuse = {"wallet_addEthereumChain"}
    page.open().connect().says("You said no; nothing was sent.")
    wallet.refuse = set()
    page.connect().connected()


def test_a_wallet_that_cannot_change_its_chain(wallet: TestWallet, page: Driver) -> None:
    wallet.unsupported = {"wallet_switchEthereumChain"}
    page.open().connect().says("Your wallet cannot do this. Use another wallet.")


def test_a_wallet_that_goes_to_another_chain_is_asked_back(wallet: TestWallet, page: Driver) -> None:
    page.open().connect().connected()
    wallet.chain_id = 1
    page.page.evaluate("window.wallet_org_example_test_emit('chainChanged', '0x1')")
    page.says("Your wallet is not on Tallystick demo.")
    page.notice.locator("[data-do=switch]").click()
    expect(page.notice).to_have_count(0)
    assert wallet.chain_id == page.demo.chain_id


def test_saying_no_to_the_deposit_leaves_everything_as_it_was(wallet: TestWallet, page: Driver) -> None:
    page.open().connect().connected()
    wallet.refuse = {"eth_sendTransaction"}
    page.deposit("0.2").says("You said no; nothing was sent.")
    expect(page.part("deposit")).to_have_text("none")
    wallet.refuse = set()
    page.sheet.locator("button[type=submit]").click()
    page.deposited()


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        ("0.001", "This provider takes 0.01 ETH or more."),
        ("11", "Your wallet holds 10 ETH."),
        ("much", "Enter an amount"),
    ],
)
def test_a_deposit_that_will_not_do(wallet: TestWallet, page: Driver, amount: str, says: str) -> None:
    page.open().connect().connected().open_deposit()
    page.page.locator("#amount").fill(amount)
    expect(page.sheet.locator(".wrong")).to_contain_text(says)
    expect(page.sheet.locator("button[type=submit]")).to_be_disabled()


def test_a_busy_model(wallet: TestWallet, page: Driver, context: BrowserContext, running: Demo) -> None:
    page.open().connect().connected().deposit("0.2").deposited().ask("Keep the only slot busy")
    page.streaming()
    other = chatting_elsewhere(context, running)
    other.ask("And me?").says("The model is busy")
    expect(other.notice.locator("[data-do=retry]")).to_be_visible()
    page.stop()
    page.answered()
    other.notice.locator("[data-do=retry]").click()
    other.streaming()
    other.stop()
    other.answered()


def chatting_elsewhere(context: BrowserContext, running: Demo) -> Driver:
    """Another person, in a browser of their own."""
    assert context.browser is not None
    elsewhere = context.browser.new_context()
    hide_demo_wallet(elsewhere)
    TestWallet(running, chain_id=running.chain_id).install(elsewhere)
    return Driver(elsewhere.new_page(), running).open().connect().connected().deposit("0.2").deposited()


def test_a_prompt_that_is_too_long(wallet: TestWallet, page: Driver) -> None:
    page.open().connect().connected().deposit("0.2").deposited()
    page.ask("word " * 3200).says("This conversation is too long for the model.")
    page.notice.locator("[data-do=new-chat]").click()
    page.ask("short")
    page.streaming()
    page.stop()
    page.answered()


def test_a_provider_that_is_gone_and_comes_back(wallet: TestWallet, page: Driver, line: Wire) -> None:
    page.open().connect().connected().deposit("0.2").deposited()
    line.stop()
    try:
        page.ask("Anybody there?").says("The provider cannot be reached.")
        for step in ("retry", "open-close"):
            expect(page.notice.locator(f"[data-do={step}]")).to_be_visible()
    finally:
        line.start()
    page.notice.locator("[data-do=retry]").click()
    page.streaming()
    page.stop()
    page.answered()


def test_an_answer_goes_on_where_its_connection_was_cut(wallet: TestWallet, page: Driver, line: Wire) -> None:
    page.open().connect().connected().deposit("0.2").deposited().ask("Tell me a long story")
    page.streaming()
    line.stop()
    expect(page.page.locator("#composer")).to_contain_text("connecting again", timeout=20_000)
    came = len(page.answers.first.locator(".answer").inner_text())
    line.start()
    page.page.wait_for_function(
        "came => document.querySelector('[data-answer] .answer').innerText.length > came + 200",
        arg=came,
        timeout=60_000,
    )
    page.stop()
    said = " ".join(page.answered().locator(".answer").inner_text().split())
    whole = "Tell me a long story " * (len(said) // 20 + 1)
    assert said == whole[: len(said)], "nothing is missing at the cut, and nothing comes twice"
    expect(page.notice).to_have_count(0)


@pytest.mark.parametrize(
    ("flip_at", "says"),
    [
        (10, "This connection does not lead to the provider named on chain; nothing was sent."),
        (5000, "Someone altered the data on the way, so the connection was cut; no money was lost."),
    ],
    ids=["handshake", "record"],
)
def test_a_byte_altered_on_the_way(wallet: TestWallet, page: Driver, line: Wire, flip_at: int, says: str) -> None:
    page.open().connect().connected().deposit("0.2").deposited()
    line.flip_at = flip_at
    page.ask("Is anyone changing this?").says(says)
    line.flip_at = None
    page.notice.locator("[data-do=retry]").click()
    page.streaming()
    page.stop()
    page.answered(page.answers.count())


def test_a_malformed_profile_is_grey_and_says_why(wallet: TestWallet, page: Driver, running: Demo) -> None:
    register_nonsense(running)
    page.open().connect()
    expect(page.page.locator("#provider button")).to_be_visible(timeout=20_000)
    page.do("open-market")
    bad = page.sheet.locator(".offer[aria-disabled]").first
    expect(bad).to_contain_text("The provider's entry on chain is not valid.")


def register_nonsense(running: Demo) -> None:
    """A provider whose profile is no profile."""
    owner = Account.create()
    running.call("anvil_setBalance", owner.address, hex(5 * 10**18))
    data = Registry(NativeCrypto(), bytes.fromhex(running.registry[2:])).register(b"nonsense")
    signed = owner.sign_transaction(
        {
            "type": 2,
            "chainId": running.chain_id,
            "nonce": 0,
            "to": to_checksum_address(running.registry),
            "value": 10**18,
            "data": data,
            "gas": 500_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
        }
    )
    hash_ = running.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
    assert running.call("eth_getTransactionReceipt", hash_)["status"] == "0x1"


def test_a_second_tab_says_that_the_deposit_is_in_use(
    wallet: TestWallet, page: Driver, context: BrowserContext
) -> None:
    page.open().connect().connected().deposit("0.2").deposited().ask("First tab")
    page.streaming()
    page.stop()
    page.answered()
    second = Driver(context.new_page(), page.demo).open().connected()
    second.ask("Second tab").says("This deposit is in use in another tab.")
