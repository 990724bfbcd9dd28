"""A server on the loopback that speaks OpenAI's API as badly as it is told to. What it does to each request is a
script; without one it answers well.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Answers one request; the connection is closed after it."""
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def delta(text: str, **more: Any) -> dict[str, Any]:
    """A usual event."""
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}, **more}]}


END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def written(event: Any, newline: str = "\n") -> bytes:
    """An event as it goes over the wire; bytes go as they are."""
    if isinstance(event, bytes):
        return event
    return f"data: {event if isinstance(event, str) else json.dumps(event)}{newline}{newline}".encode()


def events(*given: Any, newline: str = "\n", done: bool = True) -> Act:
    """A stream of these events, then `[DONE]`."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(SSE)
        for event in (*given, "[DONE]") if done else given:
            writer.write(written(event, newline))
            await writer.drain()
            await asyncio.sleep(0)

    return act


def said(*words: str) -> Act:
    return events(*map(delta, words), END)


def status(code: int, body: Any = b"", **headers: str) -> Act:
    """A plain answer."""

    async def act(writer: asyncio.StreamWriter) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(data)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        await writer.drain()

    return act


def dropped(*given: Any) -> Act:
    """A stream that announces more and is torn down after these events."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(SSE.replace(b"Connection: close", b"Transfer-Encoding: chunked"))
        for event in given:
            data = written(event)
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
        await asyncio.sleep(0.05)  # what was written leaves before the reset, which would overtake it
        writer.transport.abort()

    return act


def hanging(*given: Any, comments: bool = False) -> Act:
    """A stream that says no more after these events, but for keep-alive comments where wanted."""

    async def act(writer: asyncio.StreamWriter) -> None:
        if given or comments:
            writer.write(SSE)
        for event in given:
            writer.write(written(event))
        while not writer.is_closing():
            await asyncio.sleep(0.02)
            if comments:
                writer.write(b": still here\n\n")
                await writer.drain()

    return act


def vectors(texts: list[str]) -> Act:
    """A vector for each text, its length in the first place; the last text's first. A text of x's takes its time."""
    data = [{"index": at, "embedding": [float(len(text)), *[0.5] * 15]} for at, text in enumerate(texts)]
    answer = status(200, {"data": data[::-1], "usage": {"prompt_tokens": 999}})

    async def act(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3 * any(text.startswith("xx") for text in texts))
        await answer(writer)

    return act


@dataclass
class HostileUpstream:
    """The server. `script` is played from the left, a request an act; `seen` are the bodies that came."""

    url: str = ""
    entry: dict[str, Any] = field(default_factory=lambda: {"id": "scripted", "max_model_len": 2048})
    script: deque[Act] = field(default_factory=deque)
    usual: Act = field(default_factory=lambda: said("Hello", " there"))
    seen: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    embedded: list[list[str]] = field(default_factory=list)
    """The texts of each request for vectors."""
    open: int = 0
    """Requests that are being answered."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *headers = head.split("\r\n")
            named = dict(header.lower().split(": ", 1) for header in headers if ": " in header)
            self.keys.add(named.get("authorization", ""))
            body = await reader.readexactly(int(named.get("content-length", 0)))
            self.open += 1
            watch = asyncio.create_task(self._watch(reader, writer))
            try:
                await self._act(line.split()[1], body)(writer)
            finally:
                self.open -= 1
                watch.cancel()
        with contextlib.suppress(OSError):
            writer.close()

    def _act(self, path: str, body: bytes) -> Act:
        if path == "/v1/models":
            return status(200, {"data": [self.entry]})
        if path == "/v1/embeddings":
            texts = json.loads(body)["input"]
            self.embedded.append(texts)
            return self.script.popleft() if self.script else vectors(texts)
        if path != "/v1/chat/completions":
            return status(404, {"detail": "Not Found"})
        self.seen.append(json.loads(body))
        return self.script.popleft() if self.script else self.usual

    @staticmethod
    async def _watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Closes when the other side does."""
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()


@contextlib.asynccontextmanager
async def hostile_upstream(port: int = 0) -> AsyncIterator[HostileUpstream]:
    """One that listens."""
    made = HostileUpstream()
    server = await asyncio.start_server(made.handle, "127.0.0.1", port)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made
