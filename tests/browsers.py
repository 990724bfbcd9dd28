"""Finds a Chromium and a Firefox, and brings one where there is none and that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""How Chromium is started: as root, without a screen, and silent unless a page of ours asks for something."""

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """Path of a Chromium on this machine: ``TALLYSTICK_CHROMIUM``, the system's, or Playwright's own download."""
    own = os.environ.get("TALLYSTICK_CHROMIUM")
    if own and Path(own).exists():
        return own
    for name in NAMES:
        if found := shutil.which(name):
            return found
    # In another process: Playwright's synchronous interface does not start where an event loop runs.
    asked = subprocess.run(
        [sys.executable, "-c", PLAYWRIGHTS_OWN], capture_output=True, text=True, check=False, timeout=60
    )
    path = asked.stdout.strip()
    return path if path and Path(path).exists() else None


PLAYWRIGHTS_OWN = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""


def ensure_chromium() -> str | None:
    """Like ``find_chromium``, after an attempt to install one: by apt where root, else by Playwright."""
    if found := find_chromium():
        return found
    _install("chromium", "chromium")
    return find_chromium()


def find_firefox() -> str | None:
    """Path of a Firefox on this machine: ``TALLYSTICK_FIREFOX``, or the system's. Playwright's own is a build of its
    own that speaks another protocol; these tests drive what people have, by WebDriver BiDi.
    """
    own = os.environ.get("TALLYSTICK_FIREFOX")
    return own if own and Path(own).exists() else shutil.which("firefox") or shutil.which("firefox-esr")


def ensure_firefox() -> str | None:
    """Like ``find_firefox``, after an attempt to install one by apt, where root."""
    if found := find_firefox():
        return found
    _install("firefox-esr", "")
    return find_firefox()


def _install(package: str, download: str) -> None:
    """By apt, else by Playwright where that has a `download`."""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    commands: list[list[str]] = []
    if shutil.which("apt-get") and os.geteuid() == 0:
        commands = [
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package],
        ]
    elif download:
        commands = [[sys.executable, "-m", "playwright", "install", download]]
    print(f"No {package} found: installing one.", file=sys.stderr, flush=True)
    for command in commands:
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            print((done.stderr.strip() or done.stdout.strip())[-300:], file=sys.stderr, flush=True)
            break
