"""From a browser without a wallet to a real answer that costs nothing, and on to the way of paying."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, expect

from tests.e2e.driver import Driver, hide_demo_wallet
from tests.e2e.stack import Demo


def test_a_stranger_asks_for_nothing(context: BrowserContext, running: Demo) -> None:
    hide_demo_wallet(context)
    page = Driver(context.new_page(), running).open()
    page.page.locator(".step [data-do=try-free]").click()
    expect(page.page.locator("#column h1")).to_have_text("Ask away, this is free.", timeout=20_000)
    expect(page.page.locator("#column")).to_contain_text("Nobody else can read along.")
    page.ask("A stranger asks").streaming()
    page.stop()
    answer = page.answered()
    expect(answer).to_contain_text("A stranger asks")
    expect(answer.locator(".cost .price")).to_have_text("Free")
    assert answer.get_attribute("data-amount") == "0"
    bar = page.page.locator("#money .trying")
    expect(bar).to_contain_text(re.compile(r"Free: [\d,]+ tokens left today\..*sees your network address"))
    assert 0 < int(bar.get_attribute("data-left") or 0) < 20_000
    page.do("connect")
    page.says("No wallet was found in this browser.")
    expect(page.page.locator("#status")).to_contain_text("tokens left today")
