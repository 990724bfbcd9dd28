"""Filtering a thousand providers in the page: from a key press to the new table on the screen.

The chain, the thousand registrations and the nodes are real, in a process of their own; the page runs in Chromium.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Error, expect, sync_playwright

from tests import browsers
from tests.bench.market import town
from tests.bench.row import Row, median, missing, spread
from tests.e2e.driver import Driver
from tests.e2e.stack import Demo
from tests.e2e.wallet import TestWallet
from web.build.build import build
from web.build.inputs import BuildError

PROVIDERS = 1000
GOAL = 100.0
AGAINST = "a key press"
TYPED = ("c", "cr", "cro", "crow", "crowd", "crowd 0", "crowd 0x", "crowd 0x1", "crowd 0x12", "crowd 0x1", "crowd 0x")
KEY = """async (text) => {
  const box = document.getElementById("shop-text");
  const sheet = document.getElementById("sheet");
  const changed = new Promise((done) => new MutationObserver((_, seen) => { seen.disconnect(); done(); })
    .observe(sheet, { childList: true, subtree: true, characterData: true, attributes: true }));
  const started = performance.now();
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  await changed;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - started;
}"""
"""Milliseconds until the table has changed and was painted."""


def _measure(up: dict[str, Any], chromium: str) -> list[float]:
    where = Demo(up["page"], up["rpc"], up["chain"], *up["where"], "", "", 0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(browsers.FLAGS))
        context = browser.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True)
        TestWallet(where, chain_id=where.chain_id).install(context)
        page = Driver(context.new_page(), where).open().connect()
        expect(page.page.locator("#provider button")).to_be_visible(timeout=120_000)
        page.do("open-market")
        expect(page.sheet.locator(".lead")).to_contain_text(f"{PROVIDERS:,} of {PROVIDERS:,}", timeout=120_000)
        taken = [float(page.page.evaluate(KEY, text)) for text in ("warm", *TYPED)]
        browser.close()
    return taken[1:]


def market_filter() -> list[Row]:
    """The row, or one that says why there is none."""
    chromium = browsers.find_chromium()
    goal = f"≤ {GOAL:.0f} ms"
    if chromium is None:
        return [missing("market_filter", "ms", AGAINST, goal, "there is no Chromium on this machine")]
    try:
        build()
        with town(PROVIDERS) as up:
            taken = _measure(up, chromium)
    except (BuildError, Error, OSError, RuntimeError, ValueError, AssertionError) as error:
        return [missing("market_filter", "ms", AGAINST, goal, str(error)[:200])]
    value = median(taken)
    note = f"{PROVIDERS} providers, {len(taken)} keys, the slowest {max(taken):.0f} ms"
    return [Row("market_filter", value, "ms", AGAINST, None, goal, value <= GOAL, spread(taken), note)]
