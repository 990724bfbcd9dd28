"""Native sockets for the user's seat."""

from __future__ import annotations

import asyncio
import socket

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tallystick_helper.dial import NativeHost
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.user_seats import SocketClosed


async def behaviour(connection: ServerConnection) -> None:
    async for message in connection:
        if message == b"text":
            await connection.send("text")
        elif message == b"bye":
            return
        else:
            await connection.send(message)


async def test_messages_timeouts_and_the_end() -> None:
    async with serve(behaviour, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        dialled = await NativeHost().dial(f"ws://127.0.0.1:{port}/")
        assert dialled._connection.protocol.extensions == []
        await dialled.send(b"one")
        assert await dialled.receive(5) == b"one"
        assert await dialled.receive(0.01) is None
        await dialled.send(b"bye")
        with pytest.raises(SocketClosed):
            await dialled.receive(5)
        with pytest.raises(SocketClosed):
            await dialled.send(b"more")
        await dialled.close()


async def test_a_text_message_is_the_end() -> None:
    async with serve(behaviour, "127.0.0.1", 0) as server:
        dialled = await NativeHost().dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await dialled.send(b"text")
        with pytest.raises(SocketClosed):
            await dialled.receive(5)
        await dialled.close()


async def not_a_websocket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with await asyncio.start_server(not_a_websocket, "127.0.0.1", 0) as server:
        other = server.sockets[0].getsockname()[1]
        for url in (f"ws://127.0.0.1:{port}", f"ws://127.0.0.1:{other}", "ws://"):
            with pytest.raises(PeerError) as caught:
                await NativeHost().dial(url)
            assert caught.value.code is Code.PROVIDER_GONE
