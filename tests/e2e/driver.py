"""Drives the page as a person does: by what can be read and clicked."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.e2e.stack import Demo

READY = 30_000
SLOW = 20_000


def hide_demo_wallet(context: BrowserContext) -> None:
    """The site as it is without a demo: its file names no demo key, so no wallet is brought along."""

    def answer(route: Route) -> None:
        # The server ends a connection that rests for five seconds, perhaps just when it is to be used again.
        site: dict[str, Any] = route.fetch(max_retries=3).json()
        site.pop("demo", None)
        route.fulfill(body=json.dumps(site), content_type="application/json")

    context.route("**/tallystick.json", answer)


class Driver:
    """A page of the demo."""

    def __init__(self, page: Page, demo: Demo) -> None:
        self.page, self.demo = page, demo

    def open(self) -> Driver:
        self.page.goto(self.demo.page)
        return self.ready()

    def ready(self) -> Driver:
        """Waits until Python runs."""
        self.page.locator("html[data-ready]").wait_for(state="attached", timeout=READY)
        return self

    def do(self, intent: str) -> None:
        """Clicks the visible control for an intent."""
        self.page.locator(f"[data-do={intent}]:visible").first.click()

    def connect(self) -> Driver:
        self.do("connect")
        return self

    def connected(self) -> Driver:
        """Connected and a provider chosen."""
        expect(self.page.locator("#provider button")).to_be_visible(timeout=SLOW)
        return self

    @property
    def sheet(self) -> Locator:
        return self.page.locator("#sheet")

    @property
    def notice(self) -> Locator:
        return self.page.locator("#notices .notice")

    @property
    def answers(self) -> Locator:
        return self.page.locator(".message.assistant")

    def says(self, sentence: str) -> Driver:
        """Waits for a notice with this sentence."""
        expect(self.notice).to_contain_text(sentence, timeout=SLOW)
        return self

    def open_deposit(self) -> Driver:
        self.do("open-deposit")
        expect(self.sheet).to_be_visible()
        return self

    def deposit(self, amount: str | None = None) -> Driver:
        """Puts one down, from the opened sheet or the step."""
        self.open_deposit()
        if amount is not None:
            self.page.locator("#amount").fill(amount)
        self.sheet.locator("button[type=submit]").click()
        return self

    def deposited(self) -> Driver:
        expect(self.page.locator("#money .tally")).to_be_visible(timeout=SLOW)
        return self

    def ask(self, question: str) -> Driver:
        self.page.locator("#draft").fill(question)
        self.page.locator("#draft").press("Enter")
        return self

    def answered(self, count: int = 1) -> Locator:
        """Waits until the `count`th answer has ended; returns it."""
        answer = self.answers.nth(count - 1)
        expect(answer).not_to_have_attribute("data-state", "streaming", timeout=60_000)
        expect(answer).to_be_visible()
        return answer

    def streaming(self) -> Locator:
        """Waits until text streams; returns the answer."""
        answer = self.page.locator(".message.assistant[data-state=streaming]")
        expect(answer.locator(".answer")).to_be_visible(timeout=SLOW)
        return answer

    def stop(self) -> Driver:
        self.page.locator("#send").click()
        return self

    def part(self, name: str) -> Locator:
        """A part of the money bar."""
        return self.page.locator(f"#money [data-part={name}] .amount")

    def notches(self) -> int:
        text = self.page.locator("#money .count").inner_text()
        return int(text.split()[0].replace(",", ""))
