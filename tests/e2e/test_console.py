"""The console: pair, watch a paid answer, see it earned, pause, take the bundle; a reload asks to pair again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.driver import READY, SLOW
from tests.e2e.looks import AXE, SETTLED
from tests.e2e.stack import ROOT, Demo

WHOLE = """tab => {
  const open = document.querySelector(`.tab[data-arg=${tab}]`).getBoundingClientRect();
  const wide = [...document.querySelectorAll(".scroll")].some((one) => one.scrollWidth > one.clientWidth + 1);
  return !wide && open.left >= 0 && open.right <= innerWidth;
}"""
"""No table goes on beyond its card, nor the open tab's name beyond the edge."""
TABS = ("models", "sessions", "earnings", "hardware", "logs", "overview")


def address(demo: Demo) -> str:
    """As a second terminal prints it."""
    data = Path(demo.key_file).parent.parent
    command = [sys.executable, "-m", "tallystick_helper", "console", "--json", "--data-dir", str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["url"])


@pytest.fixture
def console(context: BrowserContext, running: Demo) -> Page:
    """An open, paired console."""
    page = context.new_page()
    page.goto(address(running))
    page.locator("html[data-ready][data-phase=paired]").wait_for(state="attached", timeout=READY)
    return page


def ask(demo: Demo) -> threading.Thread:
    """A paid question over the local API."""
    body = {"model": "loopback", "messages": [{"role": "user", "content": "tally"}], "max_tokens": 160}
    headers = {"Authorization": f"Bearer {demo.api_key}"}

    def send() -> None:
        httpx2.post(f"{demo.gateway}/chat/completions", headers=headers, json=body, timeout=60).raise_for_status()

    asking = threading.Thread(target=send)
    asking.start()
    return asking


def test_from_pairing_to_a_pause_and_gone_with_a_reload(console: Page, running: Demo) -> None:
    errors: list[str] = []
    console.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    console.on("pageerror", lambda error: errors.append(str(error)))
    assert "#" not in console.url
    asking = ask(running)
    session = console.get_by_role("region", name="Connected now")
    expect(session).to_contain_text("loopback", timeout=SLOW)
    asking.join()
    console.locator("[data-arg=earnings]").click()
    expect(console.get_by_role("region", name="By model and device")).to_contain_text("loopback", timeout=SLOW)
    console.locator("[data-do=open-pause]").click()
    console.locator("[data-do=pause]").last.click()
    expect(console.locator("#state")).to_contain_text("Paused")
    console.locator("[data-do=resume]").click()
    expect(console.locator("#state")).to_contain_text("Rents out")
    console.locator("[data-arg=logs]").click()
    with console.expect_download() as taken:
        console.locator("[data-do=bundle]").click()
    assert "tallystick-support/state.json" in zipfile.ZipFile(taken.value.path()).namelist()
    assert errors == []
    assert console.evaluate("[localStorage, sessionStorage].flatMap((one) => Object.keys(one))") in ([], ["theme"])
    console.reload()
    console.locator("html[data-ready]").wait_for(state="attached", timeout=READY)
    expect(console.locator("#main")).to_contain_text("tallystick console")
    expect(console.locator("html")).to_have_attribute("data-phase", "unpaired")


def test_every_tab_in_every_light_and_size(console: Page) -> None:
    console.evaluate(AXE)
    faults: list[str] = []
    for tab in TABS:
        console.locator(f"[data-arg={tab}]").click()
        expect(console.locator(f".tab[data-arg={tab}]")).to_have_attribute("aria-current", "page")
        for theme in ("light", "dark"):
            console.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            for width in (390, 1280):
                console.set_viewport_size({"width": width, "height": 800})
                if console.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    faults.append(f"{tab} {width}: beyond the edge")
                if width == 390:
                    console.wait_for_function(WHOLE, arg=tab)
            console.evaluate(SETTLED)
            found = console.evaluate("axe.run(document).then((result) => result.violations)")
            for one in found:
                faults.append(f"{tab} {theme}: {one['id']} {[node['html'][:120] for node in one['nodes'][:3]]}")
    assert not faults, "\n".join(faults)
