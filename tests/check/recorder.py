"""A WebSocket proxy that keeps every byte it carries, and may change them.

Whatever crosses is kept as the endpoints' messages, unmasked, together with the request's path and headers: more
than any real eavesdropper
of an encrypted transport would get.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import threading
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake

Change = Callable[[str, int, bytes], bytes]


class Recorder:
    """Listens on a free port of 127.0.0.1 and forwards to `target`. Runs in a thread of its own; use as a context
    manager.

    `change(direction, index, message)` may return other bytes; direction is "up" (to the provider) or "down".
    """

    def __init__(self, change: Change | None = None) -> None:
        self.target = ""
        self.change = change
        self.seen: list[tuple[str, bytes]] = []
        self.heads: list[tuple[str, bytes]] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def __enter__(self) -> Recorder:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        if self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with serve(self._carry, "127.0.0.1", 0, compression=None, max_size=1 << 20) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop.wait()

    async def _carry(self, client: ServerConnection) -> None:
        request = client.request
        if request is not None:
            self.heads.append(("up", f"{request.path}\n{request.headers}".encode()))
        try:
            async with connect(self.target, compression=None, max_size=1 << 20) as provider:
                await asyncio.gather(self._pump("up", client, provider), self._pump("down", provider, client))
        except (OSError, InvalidHandshake, ConnectionClosed):
            pass

    async def _pump(self, direction: str, source: Any, sink: Any) -> None:
        index = 0
        with contextlib.suppress(ConnectionClosed):
            async for message in source:
                data = message.encode() if isinstance(message, str) else bytes(message)
                self.seen.append((direction, data))
                await sink.send(self.change(direction, index, data) if self.change else message)
                index += 1
        await sink.close()


def spellings(text: str) -> list[bytes]:
    """How a text could lie in a recording: plain, UTF-16, hex, and base64 at each of its three alignments."""
    raw = text.encode()
    found = [raw, text.encode("utf-16-le"), raw.hex().encode()]
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        found.append(coded[-(-shift * 8 // 6) + (1 if shift else 0) : len(coded) - 4])
    return [spelling for spelling in found if len(spelling) >= 6]


def telling_words(text: str) -> set[str]:
    """Words long enough that finding one by chance is out of the question."""
    return set(re.findall(r"[^\W_]{7,}", text))


def find(recording: list[tuple[str, bytes]], texts: list[str]) -> list[str]:
    """Every telling word of `texts` that stands anywhere in a recording, in any spelling, across message borders
    too.
    """
    directions = ["up", "down"]
    streams = [b"".join(data for side, data in recording if side == direction) for direction in directions]
    streams += [data for _, data in recording]
    words = set().union(*map(telling_words, texts)) if texts else set()
    return sorted(word for word in words if any(form in stream for form in spellings(word) for stream in streams))
