"""The listeners' limits: a header deadline, message sizes, no compression."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tallystick_helper import server
from tallystick_helper.server import Listener
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.records import MAX_MESSAGE


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        await websocket.send({"type": "websocket.send", "bytes": message["bytes"]})


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    app = Starlette(routes=[Route("/", hello), WebSocketRoute("/ws", echo)])
    made = Listener(app, "127.0.0.1", 0, websocket=True, header_deadline=0.3)
    made.start()
    yield made
    await made.stop()


async def test_slow_clients_are_cut(listener: Listener) -> None:
    loop = asyncio.get_running_loop()

    async def cut_after(first: bytes, drip: bytes) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        start = loop.time()
        writer.write(first)
        reading = asyncio.create_task(reader.read())
        while not reading.done():
            await asyncio.wait([reading], timeout=0.05)
            if drip and not reading.done():
                writer.write(drip)
        writer.close()
        await asyncio.gather(reading, return_exceptions=True)
        return loop.time() - start

    times = await asyncio.gather(
        cut_after(b"", b""), cut_after(b"GET / HTTP/1.1\r\nHost:", b""), cut_after(b"GET / HTTP/1.1\r\nX: ", b"a")
    )
    assert all(0.25 < seconds < 2 for seconds in times)


async def test_a_websocket_outlives_the_header_deadline(listener: Listener) -> None:
    async with connect(f"ws://127.0.0.1:{listener.port}/ws", proxy=None) as websocket:
        await asyncio.wait([asyncio.create_task(websocket.wait_closed())], timeout=0.5)
        await websocket.send(b"x" * MAX_MESSAGE)
        assert await websocket.recv() == b"x" * MAX_MESSAGE


async def test_the_deadline_is_four_seconds() -> None:
    assert server.HEADER_DEADLINE == 4.0


async def test_compression_is_refused_and_giants_end_the_connection(listener: Listener) -> None:
    async with connect(f"ws://127.0.0.1:{listener.port}/ws", compression="deflate", proxy=None) as websocket:
        assert websocket.protocol.extensions == []
        await websocket.send(b"x" * (MAX_MESSAGE + 1))
        with pytest.raises(ConnectionClosed) as caught:
            await websocket.recv()
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009
    async with connect(f"ws://127.0.0.1:{listener.port}/ws", compression=None, proxy=None) as websocket:
        with pytest.raises(ConnectionClosed):
            await websocket.send([b"x" * 1000] * 20)
            await websocket.recv()


async def test_a_taken_port_is_told(listener: Listener) -> None:
    with pytest.raises(LocalError) as caught:
        Listener(Starlette(), "127.0.0.1", listener.port, websocket=False)
    assert caught.value.code is Code.BAD_SETTINGS


async def test_it_says_nothing_of_itself(listener: Listener) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert b"server:" not in answer.lower() and b"date:" not in answer.lower()
