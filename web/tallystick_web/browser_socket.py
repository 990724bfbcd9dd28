"""Network and time in the browser. One of the `browser` modules."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.user_seats import SocketClosed

DIAL_TIMEOUT = 10.0
POST_TIMEOUT = 10.0
NORMAL = 1000


class BrowserSocket:
    """The `Socket` seat over a browser WebSocket. Binary only; a text message counts as the end."""

    def __init__(self, url: str) -> None:
        import js
        from pyodide.ffi import create_proxy

        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._next: asyncio.Task[bytes | None] | None = None
        self._opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._closed = False
        self._proxies: list[Any] = []
        self._socket: Any = js.WebSocket.new(url)
        self._socket.binaryType = "arraybuffer"
        for name in ("open", "message", "close", "error"):
            proxy = create_proxy(getattr(self, f"_on_{name}"))
            self._proxies.append(proxy)
            setattr(self._socket, f"on{name}", proxy)

    def _on_open(self, _: Any) -> None:
        if not self._opened.done():
            self._opened.set_result(True)

    def _on_message(self, event: Any) -> None:
        self._inbox.put_nowait(None if isinstance(event.data, str) else bytes(event.data.to_bytes()))

    def _on_close(self, _: Any) -> None:
        if not self._opened.done():
            self._opened.set_result(False)
        self._inbox.put_nowait(None)

    def _on_error(self, _: Any) -> None:
        """The close event that always follows says the same."""

    async def opened(self) -> bool:
        """True once it is open, False where it closed first."""
        return await self._opened

    async def send(self, message: bytes) -> None:
        import js
        from pyodide.ffi import to_js

        if self._closed or self._socket.readyState != js.WebSocket.OPEN:
            raise SocketClosed
        self._socket.send(to_js(message))

    async def receive(self, timeout: float) -> bytes | None:
        """Waits by `asyncio.wait`: under `asyncio.timeout` Pyodide's loop (314) raises ValueError where so little
        time is left that it is over before the timer is set.
        """
        if self._closed:
            raise SocketClosed
        coming = self._next = self._next or asyncio.ensure_future(self._inbox.get())
        done, _ = await asyncio.wait([coming], timeout=max(0.0, timeout))
        if self._closed:
            raise SocketClosed
        if not done:
            return None
        self._next = None
        message = coming.result()
        if message is None:
            await self.close()
            raise SocketClosed
        return message

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._next is not None:
            self._next.cancel()
        for name in ("open", "message", "close", "error"):
            setattr(self._socket, f"on{name}", None)
        self._socket.close(NORMAL)
        for proxy in self._proxies:
            proxy.destroy()


class BrowserWorld:
    """The `World` seat."""

    def __init__(self) -> None:
        import js

        self._js: Any = js
        self._tasks: set[asyncio.Task[None]] = set()
        """Held here: the event loop alone would let go of them."""

    async def dial(self, url: str) -> BrowserSocket:
        """Raises PeerError PROVIDER_GONE."""
        from pyodide.ffi import JsException

        try:
            socket = BrowserSocket(url)
        except JsException:
            raise PeerError(Code.PROVIDER_GONE, endpoint=url) from None
        open_ = False
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                open_ = await socket.opened()
        except TimeoutError:
            pass
        finally:
            if not open_:  # also where whoever dialled does not wait for it any longer
                await socket.close()
        if not open_:
            raise PeerError(Code.PROVIDER_GONE, endpoint=url)
        return socket

    def monotonic(self) -> float:
        return float(self._js.performance.now()) / 1000

    def wall(self) -> int:
        return int(self._js.Date.now() / 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def post(self, url: str, text: str) -> str:
        """Raises LocalError RPC_UNREACHABLE."""
        from pyodide.ffi import JsException, to_js

        headers = {"content-type": "application/json"}
        options = {"method": "POST", "body": text, "headers": headers, "credentials": "omit", "redirect": "error"}
        try:
            async with asyncio.timeout(POST_TIMEOUT):
                answer = await self._js.fetch(url, to_js(options, dict_converter=self._js.Object.fromEntries))
                return str(await answer.text())
        except (JsException, TimeoutError):
            raise LocalError(Code.RPC_UNREACHABLE, url=url) from None

    def offset_minutes(self) -> int:
        return -int(self._js.Date.new().getTimezoneOffset())

    def language(self) -> str:
        return str(self._js.document.documentElement.lang)
