"""How soon the page is seen, and what a first and a second visit fetch.

Chromium, a new profile for each run, the node's own page listener on loopback with packed files: no time of a download
is in the paint. A first visit is counted until its service worker has the page whole; a second one comes from that.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick_helper.app import page_app
from tallystick_helper.routes.page import Page
from tallystick_helper.server import Listener
from tests import browsers
from tests.bench.row import Row, median, missing, spread
from web.build.build import build, run_node
from web.build.inputs import DIST, VENDOR, BuildError

RUNS = 5
PAINT_GOAL_MS = 150
FIRST_GOAL = 12_000_000
SECOND_GOAL = 20_000
STAY_MS = 2000
PAINT = "performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)[0]"
WHOLE = "navigator.serviceWorker.ready.then(() => 1)"
NAMES = ("first_paint", "first_visit_bytes", "second_visit_bytes")
UNITS = ("ms", "bytes", "bytes")
AGAINST = ("a page of one word", "", "the first visit")
GOALS = (f"≤ {PAINT_GOAL_MS} ms", f"≤ {FIRST_GOAL:,}", f"≤ {SECOND_GOAL:,}")


class Counted:
    """ASGI middleware: `bytes` of all answers, heads and bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            self.bytes += len(message.get("body", b""))
            self.bytes += sum(len(name) + len(value) + 4 for name, value in message.get("headers", ()))
            await send(message)

        await self._app(scope, receive, counting)


async def _configuration() -> dict[str, Any]:
    return {"chain_id": 31337, "registry": "0x" + "11" * 20, "channels": "0x" + "22" * 20, "rpc": []}


@contextmanager
def listening(folder: Path) -> Iterator[tuple[str, Counted]]:
    """The page's listener over `folder`, in a thread; its address, and its count."""
    counted = Counted(page_app(Page(folder), _configuration, "127.0.0.1"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Listener:
        made = Listener(counted, "127.0.0.1", 0, websocket=False)  # type: ignore[arg-type]
        made.start()
        return made

    listener = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield f"http://127.0.0.1:{listener.port}/", counted
    finally:
        asyncio.run_coroutine_threadsafe(listener.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def visits(address: str, counted: Counted, chromium: str) -> tuple[float, float, int, int]:
    """Milliseconds to the first paint of a first visit, and of a page of one word; bytes of a first and a second."""
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=list(browsers.FLAGS)
        )
        tab = context.new_page()
        tab.goto(f"{address}word.html")
        tab.wait_for_timeout(STAY_MS)
        word = float(tab.evaluate(PAINT))
        before, paints = counted.bytes, []
        fetched = []
        for _ in range(2):
            tab.goto(address)
            tab.wait_for_selector("html[data-ready]", state="attached", timeout=120_000)
            paints.append(float(tab.evaluate(PAINT)))
            tab.evaluate(WHOLE)
            tab.wait_for_timeout(STAY_MS)
            fetched.append(counted.bytes - before)
            before = counted.bytes
            tab.close()
            tab = context.new_page()
        context.close()
    return paints[0], word, fetched[0], fetched[1]


def visit() -> list[Row]:
    """The three rows, or why there are none."""
    chromium = browsers.find_chromium()
    why = "" if chromium else "there is no Chromium on this machine"
    try:
        build()
    except BuildError as fault:
        why = str(fault)
    if why or chromium is None:
        return [missing(*four, why) for four in zip(NAMES, UNITS, AGAINST, GOALS, strict=True)]
    with TemporaryDirectory() as name:
        folder = Path(shutil.copytree(DIST, Path(name) / "dist"))
        run_node("compress.mjs", {"dist": str(folder)}, VENDOR)
        (folder / "word.html").write_text("<!doctype html><title>Word</title>Word")
        with listening(folder) as (address, counted):
            runs = [visits(address, counted, chromium) for _ in range(RUNS)]
    paint, word, first, second = (median(values) for values in zip(*runs, strict=True))
    spreads = [spread(values) for values in zip(*runs, strict=True)]
    floor, quick = f"{AGAINST[0]}: {word:.0f} ms", paint <= PAINT_GOAL_MS
    return [
        Row(NAMES[0], paint, "ms", floor, paint / word, GOALS[0], quick, spreads[0]),
        Row(NAMES[1], first, "bytes", AGAINST[1], None, GOALS[1], first <= FIRST_GOAL, spreads[2]),
        Row(NAMES[2], second, "bytes", AGAINST[2], second / first, GOALS[2], second <= SECOND_GOAL, spreads[3]),
    ]
