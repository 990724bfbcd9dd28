"""The page in other languages: the browser's own, one that is chosen, and two that show where a layout breaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.driver import Driver
from tests.e2e.stack import PROFILE, Demo


@pytest.fixture
def german(chrome: Browser, running: Demo) -> Iterator[Driver]:
    """A browser whose languages are French and German."""
    context = chrome.new_context(**PROFILE, locale="de-DE")
    context.add_init_script("Object.defineProperty(navigator, 'languages', {get: () => ['fr-CH', 'de-CH']})")
    yield Driver(context.new_page(), running)
    context.close()


def painted(tab: Page) -> list[str]:
    """Every heading that stood there when something was painted."""
    found: list[str] = tab.evaluate("painted")
    return found


def test_the_browsers_language_until_one_is_chosen(german: Driver) -> None:
    tab = german.page
    tab.add_init_script(
        """globalThis.painted = [];
        const look = () => {
          const title = document.querySelector("h1")?.textContent;
          if (title && painted.at(-1) !== title) painted.push(title);
          requestAnimationFrame(look);
        };
        look();"""
    )
    german.open()
    root, title = tab.locator("html"), tab.locator("h1")
    expect(root).to_have_attribute("lang", "de")
    expect(title).to_have_text("Sprich mit einem Modell auf dem Rechner von jemandem.")
    expect(tab.locator("#draft")).to_have_attribute("placeholder", "Frag etwas")
    assert painted(tab) == ["Sprich mit einem Modell auf dem Rechner von jemandem."]
    german.do("open-settings")
    german.sheet.locator("#language").select_option("en")
    expect(root).to_have_attribute("lang", "en")
    expect(german.sheet).to_contain_text("Settings")
    expect(tab.locator("#draft")).to_have_attribute("placeholder", "Ask something")
    expect(title).to_have_text("Talk to a model on someone’s machine.")
    tab.reload()
    german.ready()
    expect(title).to_have_text("Talk to a model on someone’s machine.")
    assert len(painted(tab)) == 1
