"""A real Chromium, driven as a person would use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import browsers

ANSWER = "article[data-answer]"
PROMPTING = {"eth_sendTransaction", "eth_sign", "personal_sign", "eth_signTypedData_v4", "eth_requestAccounts"}
# Wraps every wallet that announces itself (EIP-6963), so that what it is asked for is counted outside page and wallet.
WATCH = """
window.__asked = [];
window.addEventListener("eip6963:announceProvider", event => {
  if (event.detail.watched) return;
  event.stopImmediatePropagation();
  const provider = new Proxy(event.detail.provider, {
    get(wallet, name) {
      if (name === "request") return call => { window.__asked.push(call.method); return wallet.request(call); };
      const value = wallet[name];
      return typeof value === "function" ? value.bind(wallet) : value;
    },
  });
  const detail = Object.freeze({info: event.detail.info, provider, watched: true});
  window.dispatchEvent(new CustomEvent("eip6963:announceProvider", {detail}));
}, true);
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browsers.ensure_chromium(), args=list(browsers.FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Someone in front of the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        self.said: list[str] = []
        """The browser's console."""
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(60_000)
        page.add_init_script(WATCH)

    def _note(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("blob", "data"):
            self.hosts.add(parts.netloc)

    def open(self, url: str) -> None:
        self.page.goto(url)
        expect(self.page.locator("html[data-ready]")).to_have_count(1, timeout=60_000)

    def click(self, what: str) -> None:
        self.page.locator(f'[data-do="{what}"]:visible').first.click()

    def connect(self) -> None:
        self.click("connect")
        expect(self.page.locator('[data-do="open-market"]').first).to_be_visible(timeout=60_000)

    def deposit(self) -> None:
        """Chooses the first provider and puts down what the sheet proposes."""
        self.click("open-market")
        self.click("choose")
        self.click("open-deposit")
        self.page.locator('form[data-submit="deposit"] button[type="submit"]').click()
        self.phase("open")

    def phase(self, name: str) -> None:
        expect(self.page.locator(f'#money [data-phase="{name}"]')).to_have_count(1, timeout=60_000)

    def ask(self, text: str) -> dict[str, Any]:
        """Types, sends and waits for the end of the answer; returns what the page says of it."""
        count = self.page.locator(ANSWER).count()
        self.page.locator("#draft").fill(text)
        self.page.locator("#send").click()
        answer = self.page.locator(ANSWER).nth(count)
        try:
            expect(answer).to_have_attribute("data-state", "done", timeout=300_000)
        except AssertionError as late:
            shown = len(answer.locator(".answer").inner_text())
            notices = self.page.locator("#notices").inner_text()
            raise AssertionError(f"{late}; {shown} characters are there; {notices!r}; {self.said[-5:]}") from None
        return self.read(answer)

    def read(self, answer: Any) -> dict[str, Any]:
        facts = answer.evaluate("element => ({...element.dataset})")
        return {
            "text": answer.locator(".answer").inner_text(),
            "input_units": int(facts["inputUnits"]),
            "units": int(facts["units"]),
            "amount": int(facts["amount"]),
            "first_token_ms": float(facts["firstMs"]),
        }

    def close_deposit(self) -> None:
        self.click("open-close")
        self.click("close-deposit")
        self.phase("ended")

    def money(self) -> dict[str, str]:
        return dict(self.page.locator("#money [data-phase]").evaluate("element => ({...element.dataset})"))

    def prices(self) -> tuple[int, int]:
        """Per 1,000,000 units."""
        facts = self.page.locator("#provider [data-price-in]").first.evaluate("element => ({...element.dataset})")
        return int(facts["priceIn"]), int(facts["priceOut"])

    def wallet_prompts(self) -> list[str]:
        """What a wallet was asked for that it would show the person, in order."""
        asked: list[str] = self.page.evaluate("window.__asked")
        return [method for method in asked if method in PROMPTING or method.startswith("wallet_")]
