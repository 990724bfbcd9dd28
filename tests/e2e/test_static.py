"""The page as a folder on an https host, below a path, without a node: to a provider by wss://."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from tests import browsers
from tests.e2e.driver import Driver
from tests.e2e.stack import PROFILE, ROOT, Demo, demo, free_port
from tests.e2e.tls import HOST, Certificate, certificate, https, wss
from tests.e2e.wallet import TestWallet

BELOW = "ipfs/some-folder"


@pytest.fixture
def tls(tmp_path: Path) -> Certificate:
    return certificate(tmp_path)


@pytest.fixture
def provider(tls: Certificate, built: Path) -> Iterator[Demo]:
    """A provider that others reach by wss:// alone."""
    near, far = free_port(), free_port()
    flags = ("--engine", "echo", "--listen", str(far), "--endpoint", f"wss://{HOST}:{near}")
    with wss(near, far, tls), demo(*flags, settings={"TALLYSTICK_PAGE__FILES": str(built)}) as up:
        yield up


def test_a_folder_on_any_host_reaches_a_provider(
    theatre: Playwright, provider: Demo, tls: Certificate, built: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "host" / BELOW
    chain = ("--rpc", provider.rpc, "--registry", provider.registry, "--channels", provider.channels)
    command = ("page", "build", str(folder), *chain, "--files", str(built), "--data-dir", str(tmp_path / "data"))
    subprocess.run([sys.executable, "-m", "tallystick_helper", *command], cwd=ROOT, env=os.environ, check=True)
    assert json.loads((folder / "tallystick.json").read_text())["chain_id"] == provider.chain_id
    with https(tmp_path / "host", tls) as address:
        _story(theatre, f"{address}{BELOW}/", provider, tls)


def _story(playwright: Playwright, address: str, provider: Demo, tls: Certificate) -> None:
    chromium = browsers.find_chromium()
    browser = playwright.chromium.launch(executable_path=chromium, args=[*browsers.FLAGS, tls.flag])
    context = browser.new_context(**PROFILE | {"service_workers": "allow"})
    wallet = TestWallet(provider, chain_id=provider.chain_id)
    wallet.install(context)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    tab = context.new_page()
    sockets: list[str] = []
    tab.on("websocket", lambda socket: sockets.append(socket.url))
    tab.goto(address)
    page = Driver(tab, provider).ready().connect().connected().deposit("0.2").deposited()
    page.ask("Over wss")
    expect(page.answered()).to_contain_text("wss", timeout=20_000)
    assert sockets and all(url.startswith("wss://") for url in sockets)
    scope = tab.evaluate("navigator.serviceWorker.ready.then(({ scope }) => scope)")
    assert scope == address
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    browser.close()
