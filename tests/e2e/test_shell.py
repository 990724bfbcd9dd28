"""The page around Python: without a network, as a new version comes, as Python dies. Its host has files alone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.e2e.driver import Driver
from tests.e2e.files import imported
from tests.e2e.looks import Photographer
from tests.e2e.stack import PROFILE, Demo
from tests.pyodide.site import served
from web.build import offline

KEPT_WHOLE = "navigator.serviceWorker.ready.then(() => 1)"
# The interpreter module keeps one interpreter; its memory is overwritten, as by a fault in its engine.
KILL = """async () => {
  const { interpreter } = JSON.parse(document.querySelector('script[type="py"]').getAttribute("config"));
  const { loadPyodide } = await import(new URL(interpreter, document.baseURI).href);
  (await loadPyodide())._module.HEAPU8.fill(0xff);
}"""
BAD_WORKER = re.compile(r'\{"build": .*\}\}')


@pytest.fixture
def host(built: Path, tmp_path: Path) -> Path:
    """The page's files on a host, which a story may change."""
    return Path(shutil.copytree(built, tmp_path / "host"))


@pytest.fixture
def profile(chrome: Browser) -> Iterator[BrowserContext]:
    """A browser with service workers."""
    held = chrome.new_context(**PROFILE | {"service_workers": "allow"})
    yield held
    held.close()


def at(address: str, profile: BrowserContext) -> Driver:
    return Driver(profile.new_page(), Demo(address, "", 0, "", "", "", "", 0)).open()


def renewed(host: Path, title: str) -> None:
    """Another version of the page on the same host."""
    index = host / "index.html"
    index.write_text(re.sub("<title>.*?</title>", f"<title>{title}</title>", index.read_text()))
    worker = host / "sw.js"
    told = json.dumps(offline.kept(host), sort_keys=True)
    worker.write_text(BAD_WORKER.sub(lambda _: told, worker.read_text(), count=1))


def test_without_a_network_it_opens_with_its_history_and_says_so(host: Path, profile: BrowserContext) -> None:
    with served(host) as address:
        page = at(address, profile)
        imported(page, "It was split in two.")
        page.page.evaluate(KEPT_WHOLE)
        expect(page.page.locator("#line-offline")).to_be_hidden()
        page.page.locator("#draft").fill("And who kept the stock?")
        page.page.close()
    profile.set_offline(True)
    page = at(address, profile)
    tab = page.page
    expect(page.answers).to_contain_text("split in two")
    expect(tab.locator("#line-offline")).to_be_visible()
    expect(tab.locator("#status")).to_contain_text("offline")
    expect(tab.locator("#draft")).to_have_value("And who kept the stock?")  # of a tab that was closed
    expect(page.notice).to_have_count(0)
    photographer = Photographer(tab)
    photographer.look("s1-offline")
    assert not photographer.faults, "\n".join(photographer.faults)
    profile.set_offline(False)
    expect(tab.locator("#line-offline")).to_be_hidden()


def test_a_new_version_waits_to_be_asked_for_and_keeps_what_is_typed(host: Path, profile: BrowserContext) -> None:
    with served(host) as address:
        page = at(address, profile)
        tab = page.page
        tab.evaluate(KEPT_WHOLE)
        # One that is not whole is not taken.
        before = (host / "index.html").read_text()
        renewed(host, "Half")
        (host / "index.html").write_text(before + "<!-- as it was not built -->")
        tab.evaluate("navigator.serviceWorker.ready.then((one) => one.update()).catch(() => 0)")
        tab.reload()
        page.ready()
        assert tab.title() == "Tallystick"
        (host / "index.html").write_text(before)
        renewed(host, "Tallystick II")
        tab.evaluate("navigator.serviceWorker.ready.then((one) => one.update())")
        expect(tab.locator("#line-update")).to_be_visible(timeout=20_000)
        tab.locator("#draft").fill("Half a thought")
        photographer = Photographer(tab)
        photographer.look("s2-update")
        assert not photographer.faults, "\n".join(photographer.faults)
        tab.locator("[data-line=update]").click()
        expect(tab).to_have_title("Tallystick II", timeout=20_000)
        page.ready()
        expect(tab.locator("#draft")).to_have_value("Half a thought")
        expect(tab.locator("#line-update")).to_be_hidden()


def test_python_dies_and_what_was_said_and_typed_is_there_again(host: Path, profile: BrowserContext) -> None:
    with served(host) as address:
        page = at(address, profile)
        tab = page.page
        imported(page, "It was split in two.")
        tab.evaluate(KILL)
        tab.locator("#draft").press_sequentially("Who kept")
        expect(tab.locator("#line-restarted")).to_be_visible(timeout=20_000)
        page.ready()
        expect(page.answers).to_contain_text("split in two")
        expect(tab.locator("#draft")).to_have_value(re.compile("^W"))
        tab.locator("#draft").fill("")
        # Once more within a minute: it does not go round, it asks.
        tab.evaluate(KILL)
        tab.locator("#draft").fill("Who kept the foil?")
        tab.locator("#draft").press("Enter")
        expect(tab.locator("#line-stopped")).to_be_visible()
        photographer = Photographer(tab)
        photographer.look("s3-stopped", answers=False)
        assert not photographer.faults, "\n".join(photographer.faults)
        tab.locator("[data-line=restart]").click()
        expect(tab.locator("#line-stopped")).to_be_hidden(timeout=20_000)
        page.ready()
        expect(page.answers).to_contain_text("split in two")
        expect(tab.locator("#draft")).to_have_value("Who kept the foil?")  # sent to nobody, so it is not lost
