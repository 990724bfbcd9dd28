"""One demo, one Chromium for all stories; a fresh context for each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests import browsers
from tests.e2e.driver import Driver, hide_demo_wallet
from tests.e2e.stack import PROFILE, Demo, demo, free_port
from tests.e2e.wallet import TestWallet
from tests.e2e.wire import Wire, wire
from web.build.build import build
from web.build.inputs import DIST

MINIMUM = 10**16
ENGINE = {"slots": 1, "queue": 0, "rate": 40, "context": 3000}


@pytest.fixture(scope="session")
def line() -> Iterator[Wire]:
    """The way from the pages to the provider."""
    with wire(free_port()) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built page, in a copy: whoever builds it anew meanwhile does not pull it away under the stories."""
    build()
    return Path(shutil.copytree(DIST, tmp_path_factory.mktemp("page") / "dist"))


@pytest.fixture(scope="session")
def running(line: Wire, built: Path) -> Iterator[Demo]:
    """The demo with a model that takes one question at a time, behind `line`."""
    settings = {
        "TALLYSTICK_PAGE__FILES": str(built),
        "TALLYSTICK_ENGINE__OPTIONS": json.dumps(ENGINE),
        "TALLYSTICK_OFFER__MINIMUM_CAP": str(MINIMUM),
        "TALLYSTICK_LISTEN__HANDSHAKE_BURST": "1000",  # all stories come from one address
    }
    endpoint = f"ws://127.0.0.1:{line.port}"
    with demo("--engine", "echo", "--listen", str(line.target), "--endpoint", endpoint, settings=settings) as up:
        yield up


@pytest.fixture(scope="session")
def theatre() -> Iterator[Playwright]:
    """What starts browsers."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chrome(chromium: str, theatre: Playwright) -> Iterator[Browser]:
    """One browser; every story has a context of its own."""
    browser = theatre.chromium.launch(executable_path=chromium, args=list(browsers.FLAGS))
    yield browser
    browser.close()


@pytest.fixture
def context(chrome: Browser, line: Wire) -> Iterator[BrowserContext]:
    """A browser profile without history; the line is as it should be."""
    line.flip_at = None
    held = chrome.new_context(**PROFILE)
    yield held
    held.unroute_all(behavior="ignoreErrors")  # a page may still be asking for something
    held.close()


@pytest.fixture
def wallet(context: BrowserContext, running: Demo) -> TestWallet:
    """A wallet on another chain, which does not know the demo's yet."""
    hide_demo_wallet(context)
    own = TestWallet(running, chain_id=1)
    own.install(context)
    return own


@pytest.fixture
def page(context: BrowserContext, running: Demo) -> Driver:
    """An open, ready page. Ask for `wallet` before it."""
    return Driver(context.new_page(), running)
