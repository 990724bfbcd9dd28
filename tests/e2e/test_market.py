"""The market: a table that can be searched, ordered and kept as an address; who is asked says how it is."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.e2e.driver import Driver
from tests.e2e.looks import Photographer
from tests.e2e.stack import Demo
from tests.e2e.wallet import TestWallet


@pytest.mark.screens
def test_a_market_that_is_searched_asked_and_kept_in_the_address(
    wallet: TestWallet, page: Driver, context: BrowserContext, running: Demo
) -> None:
    page.open().connect().connected()
    page.do("open-market")
    offer = page.sheet.locator(".offer[data-offer]").first
    expect(offer).to_contain_text("not asked")
    expect(offer).to_contain_text("no data yet")
    photographer = Photographer(page.page)
    page.sheet.locator("[data-do=ask-shown]").click()
    expect(offer).to_contain_text("ready, just now", timeout=20_000)
    photographer.look("20-market")

    page.page.locator("#shop-text").fill("loopback")
    page.sheet.locator("[data-do=shop-sort][data-arg=written]").click()
    expect(page.sheet.locator("th[aria-sort=ascending]")).to_contain_text("Answer")
    assert page.page.url.endswith("#market?text=loopback&sort=written")

    page.page.reload()
    page.ready()
    expect(page.page.locator("#shop-text")).to_have_value("loopback", timeout=20_000)
    expect(page.sheet.locator("th[aria-sort=ascending]")).to_contain_text("Answer")
    page.page.locator("#shop-text").fill("nobody offers this")
    expect(page.sheet.locator(".lead")).to_contain_text("No provider fits. Without search and filters there is 1.")
    later = Photographer(page.page)
    later.look("22-nobody-fits")
    page.sheet.locator("[data-do=shop-clear]").click()
    assert page.page.url.endswith("#market")

    offer.locator("[data-do=open-provider]").click()
    expect(page.sheet).to_contain_text("What you ask and what it answers, in clear", timeout=20_000)
    expect(page.sheet.locator(".standing")).to_contain_text("0 of 1 places taken", timeout=20_000)
    later.look("21-provider")
    page.sheet.locator("[data-do=choose]").click()
    expect(page.sheet).to_be_hidden()
    assert "#" not in page.page.url
    assert wallet.prompts.count("eth_sendTransaction") == 0
    faults = photographer.faults + later.faults
    assert not faults, "\n".join(faults)
