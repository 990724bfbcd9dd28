"""Every screen, in light and dark, wide and narrow, in two languages: nothing sticks out, nothing is inaccessible.

Those of the market, of the money and of recovery are looked at where their stories are told.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.driver import Driver, hide_demo_wallet
from tests.e2e.files import imported
from tests.e2e.looks import Photographer
from tests.e2e.stack import Demo
from tests.e2e.wallet import TestWallet
from tests.e2e.wire import Wire

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


WAIT = "() => { window.walletWaits = new Promise((done) => { window.walletGoes = done; }); }"


def silent(page: Page) -> list[str]:
    """What the console complains of from now on."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


@pytest.mark.screens
def test_every_station_in_every_light_and_size(wallet: TestWallet, page: Driver, running: Demo) -> None:
    other = TestWallet(running, chain_id=running.chain_id)
    other.install(page.page.context, "Second wallet", "org.example.second")
    tab, errors = page.page, silent(page.page)
    page.open()
    photographer = Photographer(tab)
    look = photographer.look
    look("01-first-run")
    page.connect()
    look("02-picker")
    page.sheet.get_by_role("button", name="Second wallet").click()
    page.connected()
    look("03-connected")
    page.open_deposit()
    expect(page.sheet.locator(".promise")).to_be_visible()
    look("04-deposit")
    tab.locator("#amount").fill("0.0001")
    look("05-deposit-too-small")
    tab.locator("#amount").fill("0.25")
    tab.evaluate(WAIT)
    page.sheet.locator("button[type=submit]").click()
    expect(page.sheet.locator(".working")).to_be_visible()
    look("06-deposit-asked")
    running.call("evm_setAutomine", False)
    try:
        tab.evaluate("() => walletGoes()")
        expect(page.sheet).to_be_hidden()
        page.page.locator("#wallet .account").click()
        look("07-deposit-sent")
        tab.keyboard.press("Escape")
    finally:
        running.call("evm_setAutomine", True)
        running.call("evm_mine")
    page.deposited()
    look("08-ready")
    page.ask(QUESTION)
    page.streaming()
    look("09-streaming")
    page.stop()
    page.answered()
    look("10-answered")
    page.do("turn-menu")
    look("11-other-models")
    tab.keyboard.press("Escape")
    page.do("edit-turn")
    look("12-edit")
    tab.keyboard.press("Escape")
    imported(page, RICH, title="How a tally stick works")
    expect(tab.locator("x-tex-block .katex")).to_be_attached()
    look("19-tour")
    page.page.locator("#wallet .account").click()
    look("13-money")
    page.sheet.locator("[data-do=open-close]").click()
    look("14-close")
    page.sheet.locator("[data-do=close-deposit]").click()
    expect(page.sheet).to_contain_text("Closed.", timeout=20_000)
    look("15-closed")
    assert not photographer.faults, "\n".join(photographer.faults)
    assert errors == []


@pytest.mark.screens
def test_what_went_wrong_in_every_light_and_size(wallet: TestWallet, page: Driver, line: Wire) -> None:
    """Somebody alters the answer on its way; then the provider is gone, and the deposit is closed without it."""
    page.open().connect().connected().deposit("0.25").deposited()
    photographer = Photographer(page.page)
    line.flip_at = 5000
    page.ask("Is anyone changing this?").says("Someone altered the data on the way")
    line.flip_at = None
    photographer.look("16-broken-off")
    line.stop()
    try:
        page.do("open-close")
        page.sheet.locator("[data-do=close-deposit]").click()
        expect(page.sheet.locator("[data-do=request-close]")).to_be_visible(timeout=60_000)
        photographer.look("17-close-alone")
    finally:
        line.start()
    page.sheet.locator("[data-do=request-close]").click()
    expect(page.sheet).to_contain_text("you can withdraw", timeout=20_000)
    photographer.look("18-asked-back")
    assert not photographer.faults, "\n".join(photographer.faults)


@pytest.mark.screens
def test_without_a_wallet_in_every_light_and_size(context: BrowserContext, page: Driver) -> None:
    hide_demo_wallet(context)
    page.open()
    photographer = Photographer(page.page)
    photographer.look("00-no-wallet")
    page.page.emulate_media(contrast="more", reduced_motion="reduce")
    photographer.look("00-no-wallet-more-contrast")
    page.page.emulate_media(contrast="no-preference", forced_colors="active")
    photographer.measure("00-no-wallet in the system's colours", (320, 390, 1280))  # axe sees those of the page
    page.page.emulate_media(forced_colors="none")
    photographer.speak("ar-XB")
    expect(page.page.locator("html")).to_have_attribute("dir", "rtl")
    photographer.measure("00-no-wallet from right to left", (320, 390, 1280))
    assert not photographer.faults, "\n".join(photographer.faults)


@pytest.mark.screens
def test_the_chats_in_every_light_and_size(page: Driver) -> None:
    """Without a wallet: what was said before is all there is to see."""
    tab, errors = page.page, silent(page.page)
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
    tab.locator("#preset").fill("Short and plain")
    tab.locator("#preset").press("Enter")
    expect(tab.locator(".presets li")).to_have_count(1)
    look("c4-setup")
    tab.keyboard.press("Escape")
    page.do("open-settings")
    look("c4-settings")
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
