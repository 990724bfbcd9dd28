"""The native outside world of a user: WebSockets by `websockets`, and this machine's clocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.records import MAX_MESSAGE
from tallystick_shared.user_seats import SocketClosed

OPEN_TIMEOUT = 10.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class DialledSocket:
    """Fills the user's Socket seat."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: bytes) -> None:
        """Raises SocketClosed."""
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise SocketClosed from error

    async def receive(self, timeout: float) -> bytes | None:
        """The next message; None after `timeout` seconds. Raises SocketClosed, also for a text message."""
        try:
            async with asyncio.timeout(timeout):
                message = await self._connection.recv()
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise SocketClosed from error
        if isinstance(message, str):
            raise SocketClosed("a text message")
        return message

    async def close(self) -> None:
        await self._connection.close()


class NativeHost:
    """Fills the user's Host seat."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        """Held here: the event loop alone would let go of them."""

    async def dial(self, url: str) -> DialledSocket:
        """Compression is neither offered nor accepted. Raises PeerError PROVIDER_GONE."""
        local = urlsplit(url).hostname in LOOPBACK
        try:
            connection = await connect(
                url,
                compression=None,
                max_size=MAX_MESSAGE,
                open_timeout=OPEN_TIMEOUT,
                close_timeout=2.0,
                proxy=None if local else True,
                user_agent_header=None,
            )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
            raise PeerError(Code.PROVIDER_GONE, url=url, reason=type(error).__name__) from None
        return DialledSocket(connection)

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> int:
        return int(time.time())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
