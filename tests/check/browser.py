"""A real Chromium, driven as a person would use it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER = "article[data-answer]"


def executable() -> str | None:
    """A Chromium of this machine; None leaves the choice to Playwright."""
    return os.environ.get("TALLYSTICK_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
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
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(60_000)

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
        expect(self.page.locator('[data-do="choose"]').first).to_be_visible(timeout=60_000)

    def deposit(self) -> None:
        self.page.locator('[data-do="choose"]:visible').first.click()
        self.click("deposit")
        self.click("confirm-deposit")
        expect(self.page.locator('#money[data-state="open"]')).to_have_count(1, timeout=60_000)

    def ask(self, text: str) -> dict[str, Any]:
        """Types, sends and waits for the end of the answer; returns what the page says of it."""
        count = self.page.locator(ANSWER).count()
        self.page.locator("#draft").fill(text)
        self.page.locator("#send").click()
        answer = self.page.locator(ANSWER).nth(count)
        expect(answer).to_have_attribute("data-state", "done", timeout=120_000)
        return self.read(answer)

    def read(self, answer: Any) -> dict[str, Any]:
        facts = answer.evaluate("element => ({...element.dataset})")
        return {
            "text": answer.locator("[data-answer-text]").inner_text(),
            "input_units": int(facts["inputUnits"]),
            "units": int(facts["units"]),
            "amount": int(facts["amount"]),
            "first_token_ms": float(facts["firstTokenMs"]),
        }

    def close_deposit(self) -> None:
        self.click("close-deposit")
        confirm = self.page.locator('[data-do="confirm-close"]:visible')
        if confirm.count():
            confirm.first.click()
        expect(self.page.locator('#money[data-state="closed"]')).to_have_count(1, timeout=60_000)

    def money(self) -> dict[str, str]:
        return dict(self.page.locator("#money").evaluate("element => ({...element.dataset})"))

    def prices(self) -> tuple[int, int]:
        """Per 1,000,000 units."""
        facts = self.page.locator("#provider [data-price-in]").first.evaluate("element => ({...element.dataset})")
        return int(facts["priceIn"]), int(facts["priceOut"])

    def wallet_prompts(self) -> list[str]:
        """What the demo's wallet was asked for, in order."""
        asked: list[str] = self.page.evaluate("window.__tallystickDemoWallet.requests")
        return asked
