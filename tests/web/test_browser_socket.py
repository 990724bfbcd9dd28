"""The browser's socket, on a loop that is as strict about the past as Pyodide's."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tallystick_shared.user_seats import SocketClosed
from tallystick_web.browser_socket import BrowserSocket

STEP = 0.001


class StrictLoop(asyncio.SelectorEventLoop):
    """Time passes with every look at the clock, and a timer for a moment that is over is an error, as in
    `pyodide.webloop.WebLoop.call_at` (314).
    """

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def time(self) -> float:
        self.looks = getattr(self, "looks", 0) + 1
        return super().time() + self.looks * STEP

    def call_at(self, when: float, *args: Any, **more: Any) -> asyncio.TimerHandle:
        if when < self.time():
            raise ValueError("Can't schedule in the past")
        return super().call_at(when, *args, **more)

    def call_later(self, delay: float, callback: Any, *args: Any, **more: Any) -> asyncio.TimerHandle:
        if delay < 0:
            raise ValueError("Can't schedule in the past")
        return super().call_at(self.time() + delay, callback, *args, **more)


class FakeWebSocket:
    """What a browser's WebSocket shows its owner."""

    @classmethod
    def new(cls, url: str) -> FakeWebSocket:
        return cls()

    def close(self, code: int) -> None:
        """Closed."""


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The two modules that only a browser has."""
    js, ffi = ModuleType("js"), ModuleType("pyodide.ffi")
    js.WebSocket = FakeWebSocket  # type: ignore[attr-defined]
    ffi.create_proxy = lambda call: SimpleNamespace(call=call, destroy=lambda: None)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "js", js)
    monkeypatch.setitem(sys.modules, "pyodide", ModuleType("pyodide"))
    monkeypatch.setitem(sys.modules, "pyodide.ffi", ffi)
    yield


def on_a_strict_loop(coroutine: Any) -> None:
    with asyncio.Runner(loop_factory=StrictLoop) as runner:
        runner.run(coroutine)


def bring(socket: BrowserSocket, data: bytes) -> None:
    """A message arrives."""
    socket._socket.onmessage.call(SimpleNamespace(data=SimpleNamespace(to_bytes=lambda: data)))


def test_the_loop_here_is_as_strict() -> None:
    async def wait() -> None:
        with pytest.raises(ValueError, match="past"):
            async with asyncio.timeout(STEP * 1.5):
                await asyncio.Event().wait()

    on_a_strict_loop(wait())


@pytest.mark.parametrize("timeout", [-1.0, 0.0, STEP / 10, STEP * 1.5, STEP * 3])
@pytest.mark.usefixtures("browser")
def test_a_wait_that_is_over_at_once_gives_nothing(timeout: float) -> None:
    async def wait() -> None:
        socket = BrowserSocket("ws://127.0.0.1")
        for _ in range(5):
            assert await socket.receive(timeout) is None
        bring(socket, b"late")
        assert await socket.receive(1.0) == b"late"

    on_a_strict_loop(wait())


@pytest.mark.usefixtures("browser")
def test_nothing_is_lost_or_turned_round_by_waits_that_end() -> None:
    async def wait() -> None:
        socket = BrowserSocket("ws://127.0.0.1")
        sent = [bytes([number]) for number in range(20)]
        for message in sent:
            asyncio.get_running_loop().call_later(STEP * message[0], bring, socket, message)
        found: list[bytes] = []
        while len(found) < len(sent):
            message = await socket.receive(STEP / 2)
            if message is not None:
                found.append(message)
        assert found == sent

    on_a_strict_loop(wait())


@pytest.mark.usefixtures("browser")
def test_closing_ends_a_wait() -> None:
    async def wait() -> None:
        socket = BrowserSocket("ws://127.0.0.1")
        waiting = asyncio.ensure_future(socket.receive(60))
        await asyncio.sleep(0)
        await socket.close()
        with pytest.raises(SocketClosed):
            await waiting

    on_a_strict_loop(wait())
