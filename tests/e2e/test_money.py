"""From opening the page to an answer without a manual; then everything about the money, on two chains."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.e2e.driver import Driver
from tests.e2e.looks import Photographer
from tests.e2e.stack import PROFILE, Demo
from tests.e2e.two_chains import Traveller, two_chains
from tests.e2e.wallet import TestWallet

LONG = 30_000
CONNECTING = ["eth_requestAccounts", "wallet_switchEthereumChain", "wallet_addEthereumChain"]


def primary(page: Driver) -> None:
    """What a stranger does: presses the one coloured button."""
    page.page.locator(".step .primary, #sheet[open] .foot .primary").last.click()


def test_first_run_with_a_wallet_takes_one_confirmation_after_connecting(wallet: TestWallet, page: Driver) -> None:
    page.open().ask("What is a tally stick?")
    expect(page.page.locator("#status")).to_contain_text("waits for a wallet")
    primary(page)
    page.connected()
    assert wallet.prompts == CONNECTING
    primary(page)
    expect(page.sheet.locator(".promise")).to_contain_text("the network takes about", timeout=LONG)
    primary(page)
    expect(page.streaming()).to_contain_text("What is a tally stick?")
    confirmations = wallet.prompts[len(CONNECTING) :]
    assert confirmations == ["eth_sendTransaction"] and len(confirmations) <= 2
    page.stop().answered()


def test_first_run_without_a_wallet_is_the_demo_and_says_so(page: Driver) -> None:
    page.open().ask("Anybody home?")
    expect(page.page.locator("#banner")).to_contain_text("It is worth nothing.")
    expect(page.page.locator(".step .primary")).to_have_text("Try the demo")
    primary(page)
    page.connected()
    primary(page)
    expect(page.sheet.locator(".promise")).to_be_visible()
    primary(page)
    expect(page.streaming()).to_contain_text("Anybody home?")
    page.stop().answered()


@pytest.mark.screens
def test_topped_up_and_written_into_the_ledger(
    wallet: TestWallet, page: Driver, context: BrowserContext, running: Demo
) -> None:
    page.open().connect().connected().deposit("0.2").deposited()
    page.ask("One").streaming()
    page.stop().answered()
    photographer = Photographer(page.page)
    page.page.locator("#money [data-part=back]").click()
    expect(page.sheet.locator("[data-part-of=back]")).to_have_attribute("data-chosen", "")
    photographer.look("30-money-back")
    page.do("open-top-up")
    page.page.locator("#more").fill("0.1")
    expect(page.sheet.locator(".promise")).to_contain_text("0.3 ETH in all")
    photographer.look("31-top-up")
    page.sheet.locator("button[type=submit]").click()
    expect(page.part("deposit")).to_have_text("0.3 ETH", timeout=LONG)
    expect(page.sheet).to_be_hidden()
    page.ask("Two").streaming()
    page.stop().answered(2)

    page.page.locator("#wallet .account").click()
    page.do("open-ledger")
    expect(page.sheet.locator(".entry")).to_have_count(4)
    kinds = page.sheet.locator(".entry").evaluate_all("rows => rows.map((row) => row.dataset.kind)")
    assert kinds == ["answer", "top_up", "answer", "deposit"]
    photographer.look("32-ledger")
    with page.page.expect_download() as download:
        page.sheet.locator("[data-do=save-ledger]").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert [row["kind"] for row in rows] == kinds[::-1]
    assert [row["out"] for row in rows if row["kind"] in ("deposit", "top_up")] == ["0.2", "0.1"]
    assert {row["transaction"] for row in rows if row["kind"] == "top_up"} != {""}
    assert len(wallet.transactions) == 2
    assert not photographer.faults, "\n".join(photographer.faults)


@pytest.mark.screens
def test_two_chains_side_by_side_and_a_token_by_permit(chrome: Browser, built: Path, tmp_path: Path) -> None:
    with two_chains(tmp_path, built) as both:
        context = chrome.new_context(**PROFILE)
        wallet = Traveller(both)
        wallet.install(context)
        both.give(wallet.address)
        page = Driver(context.new_page(), both.first).open().connect().connected().deposit("0.5").deposited()
        photographer = Photographer(page.page)
        page.do("open-chains")
        photographer.look("33-chains")
        page.sheet.get_by_role("button", name="Sidechain").click()
        expect(page.page.locator("[data-do=open-chains]")).to_have_text("Sidechain", timeout=LONG)
        assert wallet.prompts[-2:] == ["wallet_switchEthereumChain", "wallet_addEthereumChain"]
        page.connected()
        expect(page.part("deposit")).to_have_text("none")

        page.open_deposit()
        expect(page.page.locator("label[for=amount]")).to_contain_text("COIN", timeout=LONG)
        page.page.locator("#amount").fill("2.5")
        expect(page.sheet).to_contain_text("Your wallet asks twice, now: to sign that the contract may take")
        photographer.look("34-deposit-token")
        before = len(wallet.prompts)
        page.sheet.locator("button[type=submit]").click()
        page.deposited()
        assert wallet.prompts[before:] == ["eth_signTypedData_v4", "eth_sendTransaction"], "at most two confirmations"
        expect(page.part("deposit")).to_have_text("2.5 COIN")
        expect(page.part("wallet")).to_have_text("997.5 COIN")
        page.ask("Paid in what?").streaming()
        page.stop().answered()
        photographer.look("35-chat-token")

        page.do("open-chains")
        page.sheet.get_by_role("button", name="Mainchain").click()
        expect(page.part("deposit")).to_have_text("0.5 ETH", timeout=LONG)
        page.do("open-chains")
        page.sheet.get_by_role("button", name="Sidechain").click()
        expect(page.part("deposit")).to_have_text("2.5 COIN", timeout=LONG)
        page.do("open-close")
        page.sheet.locator("[data-do=close-deposit]").click()
        expect(page.sheet).to_contain_text("Closed.", timeout=LONG)
        photographer.look("36-closed-token")
        assert not photographer.faults, "\n".join(photographer.faults)
        context.close()
