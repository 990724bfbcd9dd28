"""The peer of the wire's figures: a plain Starlette server that sends the same tokens in the clear, unpaid, each as an
event as the embedded engine's own server writes it. `python -m tests.bench.sse` runs it alone in a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.bench.tokens import BATCH, EVERY, TOKENS

HOST = "127.0.0.1"


def event(delta: dict[str, str | None], finish: str | None = None) -> bytes:
    """One server-sent event of a streamed completion."""
    body = {
        "choices": [{"finish_reason": finish, "index": 0, "delta": delta}],
        "created": 1_800_000_000,
        "id": "chatcmpl-1vFy5nmUBaYepE3lVl2f3cp5Icym1XK6",
        "model": "SmolLM2-135M-Instruct-Q4_1",
        "system_fingerprint": "b0-unknown",
        "object": "chat.completion.chunk",
    }
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


async def completions(request: Request) -> StreamingResponse:
    """Streams as many tokens as are asked for, at the engine's pace; for ever where that is 0."""
    asked = json.loads(await request.body())

    async def events() -> AsyncIterator[bytes]:
        loop, begun, made = asyncio.get_running_loop(), asyncio.get_running_loop().time(), 0
        yield event({"role": "assistant", "content": None})
        while not asked["max_tokens"] or made < asked["max_tokens"]:
            await asyncio.sleep(max(0.0, begun + made / BATCH * EVERY - loop.time()))
            for _ in range(min(BATCH, (asked["max_tokens"] or made + BATCH) - made)):
                yield event({"content": TOKENS[made % len(TOKENS)]})
                made += 1
        yield event({}, "length")
        yield b"data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


app = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])


def post(prompt: str, tokens: int) -> bytes:
    """The request, as a browser's fetch would send it, without the headers that name the browser."""
    body = json.dumps(
        {
            "model": "SmolLM2-135M-Instruct-Q4_1",
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": tokens,
            "stream": True,
        }
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {HOST}:8000\r\nAuthorization: Bearer sk-{'0' * 48}\r\n"
        f"Content-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True)
class Server:
    """A running one."""

    port: int
    pid: int


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """The server in a process of its own, while the block runs. Raises RuntimeError where it does not come up."""
    command = [sys.executable, "-m", "tests.bench.sse"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the server of events did not come up")
            yield Server(int(line), process.pid)
        finally:
            process.terminate()


def main() -> None:
    """Serves on a free port, which it prints, until it is terminated."""
    with socket.create_server((HOST, 0), backlog=4096) as listening:
        print(listening.getsockname()[1], flush=True)
        config = uvicorn.Config(app, log_level="error", access_log=False, backlog=4096, lifespan="off")
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
