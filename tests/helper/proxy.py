"""A JSON-RPC endpoint in front of a chain that a test can silence, slow down or let lie."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

Forge = Callable[[str, list[Any], Any], Any]
"""(method, params, the true result) → the result that is told."""


class Clock:
    """Seconds that only a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Proxy:
    """`forge` changes results; `dead` hangs up on everybody; `asked` counts requests by method."""

    target: str
    url: str = ""
    dead: bool = False
    forge: Forge | None = None
    asked: dict[str, int] = field(default_factory=dict)

    async def answer(self, body: bytes) -> bytes:
        wanted = json.loads(body)
        method = wanted["method"]
        self.asked[method] = self.asked.get(method, 0) + 1
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = (await client.post(self.target, json=wanted)).json()
        if self.forge is not None and "result" in answer:
            answer["result"] = self.forge(method, wanted["params"], answer["result"])
        return json.dumps(answer).encode()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request for each connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if not self.dead:
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                body = await self.answer(await reader.readexactly(length))
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, httpx2.HTTPError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def proxy(target: str, forge: Forge | None = None) -> AsyncIterator[Proxy]:
    """Listens on a free port until the block ends."""
    made = Proxy(target, forge=forge)
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made
