"""The listeners: message sizes, no compression, no words of their own. Deadlines are in test_wires."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tallystick_helper.server import Listener
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.records import MAX_MESSAGE

from .echoing import listening


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as (made, _):
        yield made


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
