"""Tries the page with a real wallet extension, by hand.

    .venv/bin/python -m tests.e2e.extension FOLDER [ACCOUNT]

Starts a demo and a Chromium with the unpacked extension in FOLDER, and opens the page. ACCOUNT (0x…) gets ten worthless
coins. Ends when the browser is closed. docs/howto/real-wallet.md has the recipe.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, Error, sync_playwright

from tests import browsers
from tests.e2e.driver import hide_demo_wallet
from tests.e2e.stack import Demo, demo

FLAGS = ("--disable-extensions-except={0}", "--load-extension={0}")
TEN_COINS = hex(10 * 10**18)


def extension(folder: Path) -> Path:
    """The folder that holds the manifest: the one given, or the only one below it. Raises SystemExit."""
    found = [folder, *(path for path in folder.iterdir() if path.is_dir())] if folder.is_dir() else []
    for place in found:
        if (place / "manifest.json").is_file():
            return place.resolve()
    raise SystemExit(f"{folder} holds no unpacked extension: there is no manifest.json")


def told(up: Demo) -> str:
    """What a person types into the wallet, should it not add the network by itself."""
    return (
        f"The page: {up.page}\nThe network: {up.rpc}, chain id {up.chain_id}, currency ETH; all of it is worth nothing."
    )


def wait(context: BrowserContext) -> None:
    """Until the person closes the browser."""
    with contextlib.suppress(Error):
        while context.pages:
            context.pages[0].wait_for_event("close", timeout=0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="extension", description="The page with a real wallet, on the demo's chain.")
    parser.add_argument("folder", type=Path, help="the unpacked extension")
    parser.add_argument("account", nargs="?", help="an account of the wallet, which then has ten coins")
    options = parser.parse_args()
    folder = extension(options.folder)
    with demo() as up, tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        if options.account:
            up.call("anvil_setBalance", options.account, TEN_COINS)
        print(told(up), flush=True)
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=browsers.find_chromium(),
            headless=False,
            no_viewport=True,
            args=[*browsers.FLAGS, *(flag.format(folder) for flag in FLAGS)],
        )
        hide_demo_wallet(context)
        context.new_page().goto(up.page)
        wait(context)


if __name__ == "__main__":
    main()
