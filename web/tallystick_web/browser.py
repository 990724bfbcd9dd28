"""The door to the browser: fills the page's seats. Only the `browser` modules import `js`, `pyodide` and
`tallystick_js`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import RpcError

from .app import Seats
from .browser_boot import crypto
from .browser_dom import DomScreen
from .browser_socket import BrowserWorld
from .ports import WalletInfo


def _js() -> Any:
    """The browser's global object. Imported when called: the memory snapshot may hold no JavaScript value."""
    import js

    return js


class BrowserWallets:
    """The `Wallets` seat over js/wallets.js. Values cross as JSON text."""

    def __init__(self, bridge: Any) -> None:
        self._bridge = bridge

    def found(self) -> tuple[WalletInfo, ...]:
        return tuple(WalletInfo(entry["id"], entry["name"], entry["icon"]) for entry in json.loads(self._bridge.list()))

    def watch(self, changed: Callable[[], None]) -> None:
        from pyodide.ffi import create_proxy

        self._bridge.watch(create_proxy(changed))

    async def request(self, wallet: str, method: str, params: list[object]) -> object:
        answer = json.loads(await self._bridge.request(wallet, method, json.dumps(params)))
        if "error" in answer:
            error = answer["error"]
            raise RpcError(int(error["code"]), error["message"], error.get("data"))
        return answer["result"]

    def listen(self, wallet: str, heard: Callable[[str, object], None]) -> None:
        from pyodide.ffi import create_proxy

        self._bridge.listen(wallet, create_proxy(lambda name, value: heard(name, json.loads(value))))


class BrowserVault:
    """The `Vault` seat over js/vault.js: IndexedDB, sealed by a WebCrypto key that cannot be read out."""

    def __init__(self, bridge: Any) -> None:
        self._bridge = bridge

    async def get(self, name: str) -> bytes | None:
        from pyodide.ffi import JsException

        try:
            value = await self._bridge.get(name)
        except JsException:
            raise LocalError(Code.STORE_UNREADABLE) from None
        return None if value is None else bytes(value.to_bytes())

    async def put(self, name: str, value: bytes) -> None:
        from pyodide.ffi import JsException, to_js

        try:
            await self._bridge.put(name, to_js(value))
        except JsException:
            raise LocalError(Code.STORE_UNREADABLE) from None

    async def delete(self, name: str) -> None:
        await self._bridge.remove(name)

    async def scan(self, prefix: str) -> list[tuple[str, bytes]]:
        from pyodide.ffi import JsException

        try:
            found = await self._bridge.scan(prefix)
        except JsException:
            raise LocalError(Code.STORE_UNREADABLE) from None
        return [(name, bytes(value.to_bytes())) for name, value in zip(found.names, found.values_, strict=True)]

    async def write(self, put: Mapping[str, bytes], delete: Sequence[str]) -> None:
        from pyodide.ffi import JsException, to_js

        try:
            await self._bridge.write(to_js(list(put)), to_js(list(put.values())), to_js(list(delete)))
        except JsException:
            raise LocalError(Code.STORE_UNREADABLE) from None


class BrowserLocks:
    """The `Locks` seat over js/locks.js."""

    def __init__(self, bridge: Any) -> None:
        self._bridge = bridge

    async def take(self, name: str) -> bool:
        return bool(await self._bridge.take(name))

    def release(self, name: str) -> None:
        self._bridge.release(name)


class BrowserAddress:
    """The `Address` seat: the fragment. Nothing is added to the browser's history."""

    def read(self) -> str:
        return str(_js().location.hash).lstrip("#")

    def write(self, fragment: str) -> None:
        window = _js()
        bare = str(window.location.pathname) + str(window.location.search)
        window.history.replaceState(None, "", f"#{fragment}" if fragment else bare)


class BrowserTabs:
    """The `Tabs` seat over a BroadcastChannel (js/tabs.js)."""

    def __init__(self, bridge: Any) -> None:
        self._bridge = bridge

    def tell(self, text: str) -> None:
        self._bridge.tell(text)

    def listen(self, heard: Callable[[str], None]) -> None:
        from pyodide.ffi import create_proxy

        self._bridge.listen(create_proxy(heard))


def seats() -> Seats:
    """Every seat, filled by this browser."""
    bridge = _js().tallystick
    return Seats(
        BrowserWallets(bridge.wallets),
        BrowserVault(bridge.vault),
        BrowserLocks(bridge.locks),
        DomScreen(),
        BrowserWorld(),
        crypto(),
        BrowserAddress(),
        BrowserTabs(bridge.tabs),
    )


async def site_text() -> str:
    """What the page's server answered for `tallystick.json`; empty where it named no chain."""
    return str(await _js().tallystick.site)


def attach(heard: Callable[[str, str], None]) -> None:
    """Hands over what was clicked and typed so far, and whatever comes."""
    from pyodide.ffi import create_proxy

    _js().tallystick.attach(create_proxy(heard))


def mark_ready() -> None:
    """From here on the page can send."""
    _js().document.documentElement.setAttribute("data-ready", "1")


def offline() -> bool:
    """There is no network, as far as the shell knows (js/network.js)."""
    return bool(_js().tallystick.offline())


def reload() -> None:
    """Keeps the draft and starts the page again."""
    _js().tallystick.leave()
