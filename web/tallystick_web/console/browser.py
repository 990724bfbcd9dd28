"""The console's door to the browser. One of the `browser` modules, which alone import what the browser brings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..browser import BrowserWallets, mark_ready
from ..browser_dom import DomHost
from ..browser_socket import BrowserWorld
from ..patch import Region
from ..words import LANGUAGES, Words, words_of
from .seats import Answer, Seats
from .state import State
from .views import document

__all__ = ["attach", "mark_ready", "seats"]


def _js() -> Any:
    """The browser's global object. Imported when called: the memory snapshot may hold no JavaScript value."""
    import js

    return js


class BrowserApi:
    """The `Api` seat over js/console/api.js, which alone has the bearer."""

    def __init__(self, bridge: Any) -> None:
        self._bridge = bridge

    async def paired(self) -> Answer:
        return _answer(await self._bridge.paired)

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        text = None if body is None else json.dumps(body)
        return _answer(await self._bridge.call(method, f"api/{path}", text))

    async def download(self, path: str, name: str) -> bool:
        return bool(await self._bridge.download(f"api/{path}", name))


def _answer(text: str) -> Answer:
    said = json.loads(text)
    return Answer(int(said["status"]), said["body"])


class BrowserScreen:
    """The `Screen` seat."""

    def __init__(self, words: Words) -> None:
        self._js, self._words = _js(), words
        by_id = self._js.document.getElementById
        by_id("main").replaceChildren()
        host = DomHost()
        self._regions = {name: Region(host, by_id(name)) for name in document.REGIONS}

    def show(self, state: State) -> None:
        for name, view in document.REGIONS.items():
            self._regions[name].show(*view(state, self._words))
        self._js.document.documentElement.setAttribute("data-phase", state.phase.value)
        self._js.tallystick.showSheet(bool(state.sheet))

    def copy(self, text: str) -> None:
        self._js.tallystick.copy(text)

    @property
    def hidden(self) -> bool:
        return bool(self._js.document.hidden)


def seats() -> Seats:
    """Every seat, filled by this browser."""
    bridge = _js().tallystick
    words = language()
    return Seats(BrowserApi(bridge.api), BrowserScreen(words), BrowserWorld(), BrowserWallets(bridge.wallets), words)


def language() -> Words:
    """As the browser's own."""
    document, wanted = _js().document, str(_js().navigator.language).split("-")[0]
    words = words_of(wanted)
    document.documentElement.setAttribute("lang", wanted if wanted in LANGUAGES else "en")
    for element in document.querySelectorAll("[data-t]"):
        attribute, _, name = element.getAttribute("data-t").partition("=")
        if attribute:
            element.setAttribute(attribute, words(name))
        else:
            element.textContent = words(name)
    return words


def attach(heard: Callable[[str, str], None]) -> None:
    """Hands over what was clicked so far, and whatever comes."""
    from pyodide.ffi import create_proxy

    _js().tallystick.attach(create_proxy(heard))
