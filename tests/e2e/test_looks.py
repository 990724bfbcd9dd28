"""Every station of the story, in light and dark, wide and narrow: nothing sticks out, nothing is inaccessible.

Set TALLYSTICK_SHOTS to a folder to keep a picture of each.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.driver import Driver
from tests.e2e.files import imported
from tests.e2e.stack import ROOT
from tests.e2e.wallet import TestWallet

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
SIZES = [(1280, 800), (390, 844), (320, 640)]
SETTLED = """Promise.all(document.getAnimations()
  .filter((one) => one.effect?.getComputedTiming().iterations !== Infinity)
  .map((one) => one.finished.catch(() => {})))"""
"""Resolves when no colour is on its way to another: in between, contrasts are those of neither theme."""
QUESTION = "Write **two** paragraphs:\n\n- one\n- two\n\n```python\nprint('tally')\n```\n\nplease"


RICH = r"""A **tally** in short, see [the paper](https://example.org/tally.pdf).

## Cuts

$$ r = D - \sum_{i=1}^{n} p \cdot t_i $$

- a notch, $10^0$
- [ ] to do

| Part | Gas |
|---|---:|
| Stock | 45,210 |

```python
def owed(cuts: list[int]) -> int:  # in all
    return sum(10**size for size in cuts)
```

> Split so that neither could cheat.

![A stick](https://example.org/stick.png)"""


class Photographer:
    """Looks at the page as it stands, in every light and size."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.folder = os.environ.get("TALLYSTICK_SHOTS")
        self.faults: list[str] = []
        page.evaluate(AXE)

    def look(self, station: str) -> None:
        """Pictures, overflow, and axe's rules."""
        for theme in ("light", "dark"):
            self.page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            for width, height in SIZES:
                self.page.set_viewport_size({"width": width, "height": height})
                self._measure(f"{station} {theme} {width}")
                if self.folder:
                    self.page.screenshot(path=Path(self.folder) / f"{station}-{theme}-{width}.png")
            self._axe(f"{station} {theme}")
        self.page.evaluate("document.documentElement.dataset.theme = 'light'")
        self.page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})

    def _measure(self, where: str) -> None:
        beyond = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if beyond > 0:
            self.faults.append(f"{where}: {beyond} px beyond the edge")

    def _axe(self, where: str) -> None:
        self.page.evaluate(SETTLED)
        found: list[dict[str, Any]] = self.page.evaluate("axe.run(document).then((result) => result.violations)")
        for violation in found:
            nodes = json.dumps([node["html"][:120] for node in violation["nodes"][:3]])
            self.faults.append(f"{where}: {violation['id']}: {violation['help']} {nodes}")


def test_every_station_in_every_light_and_size(wallet: TestWallet, page: Driver) -> None:
    errors: list[str] = []
    page.page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.page.on("pageerror", lambda error: errors.append(str(error)))
    page.open()
    photographer = Photographer(page.page)
    look = photographer.look
    look("1-start")
    page.connect().connected()
    look("2-connected")
    page.do("open-market")
    look("3-market")
    page.do("close-sheet")
    page.open_deposit()
    look("4-deposit")
    page.page.locator("#amount").fill("0.25")
    page.sheet.locator("button[type=submit]").click()
    page.deposited()
    look("5-ready")
    page.ask(QUESTION)
    page.streaming()
    page.stop()
    page.answered()
    look("6-chat")
    page.page.locator("#wallet button").click()
    look("7-money")
    page.sheet.locator("[data-do=open-close]").click()
    look("8-close")
    page.sheet.locator("[data-do=close-deposit]").click()
    expect(page.sheet).to_contain_text("Closed.", timeout=20_000)
    look("9-closed")
    assert not photographer.faults, "\n".join(photographer.faults)
    assert errors == []


def test_the_chats_in_every_light_and_size(page: Driver) -> None:
    """Without a wallet: what was said before is all there is to see."""
    errors: list[str] = []
    tab = page.page
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.open()
    imported(page, RICH)
    expect(tab.locator(".hljs-keyword").first).to_be_attached()
    expect(tab.locator("x-tex-block .katex")).to_be_attached()
    photographer = Photographer(tab)
    look = photographer.look
    look("c1-answer")
    tab.keyboard.press("Control+k")
    look("c2-palette")
    tab.keyboard.press("Escape")
    tab.keyboard.press("Control+/")
    look("c3-keys")
    tab.keyboard.press("Escape")
    page.do("open-setup")
    tab.locator(".advanced summary").click()
    look("c4-setup")
    tab.keyboard.press("Escape")
    page.do("open-transfer")
    look("c5-files")
    tab.keyboard.press("Escape")
    page.do("attach-menu")
    look("c6-attach")
    tab.keyboard.press("Escape")
    tab.locator("#query").fill("notch")
    expect(tab.locator(".hit").first).to_be_visible()
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.locator("#side-toggle").click()
    look("c7-search")
    page.do("open-transfer")
    expect(tab.locator("html")).not_to_have_attribute("data-drawer", "")
    look("c8-files-from-the-drawer")
    tab.keyboard.press("Escape")
    expect(tab.locator("#side-toggle")).to_be_focused()
    assert not photographer.faults, "\n".join(photographer.faults)
    assert errors == []


def test_the_keyboard_is_enough(wallet: TestWallet, page: Driver) -> None:
    page.open()
    press = page.page.keyboard.press
    press("Tab")
    expect(page.page.locator(".skip")).to_be_focused()
    press("Enter")
    expect(page.page.locator("#draft")).to_be_focused()
    page.page.locator(".step [data-do=connect]").focus()
    press("Enter")
    page.connected()
    page.page.locator("#provider button").focus()
    press("Enter")
    expect(page.sheet).to_be_visible()
    press("Escape")
    expect(page.sheet).to_be_hidden()
    expect(page.page.locator("#provider button")).to_be_focused()
    page.page.locator("[data-do=open-deposit]").focus()
    press("Enter")
    expect(page.page.locator("#amount")).to_be_focused()
    press("Enter")
    page.deposited()


def test_the_theme_is_the_devices_until_one_is_chosen(wallet: TestWallet, page: Driver) -> None:
    root = page.page.locator("html")
    page.page.emulate_media(color_scheme="dark")
    page.open()
    expect(root).to_have_attribute("data-theme", "dark")
    page.page.locator("#theme").click()
    expect(root).to_have_attribute("data-theme", "light")
    page.page.reload()
    expect(root).to_have_attribute("data-theme", "light")
