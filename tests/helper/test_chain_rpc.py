"""JSON-RPC over HTTP: an error is the chain's word, silence asks the next."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tallystick_helper.chain.rpc import HttpRpc
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import RpcError

from .world import World


def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@asynccontextmanager
async def answering(body: bytes, status: str = "200 OK") -> AsyncIterator[str]:
    """An HTTP server that gives one answer to everything."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_an_answer_and_an_error(world: World) -> None:
    assert await world.rpc.request("eth_chainId", []) == "0x7a69"
    with pytest.raises(RpcError) as caught:
        await world.rpc.request("eth_nonsense", [])
    assert caught.value.code == -32601 or caught.value.code == -32602


async def test_the_next_url_is_asked_where_one_is_silent_or_talks_nonsense(world: World) -> None:
    async with answering(b"<html>", "502 Bad Gateway") as broken, answering(b"[]") as odd:
        rpc = HttpRpc([closed_url(), broken, odd, world.url])
        assert await rpc.request("eth_chainId", []) == "0x7a69"
        # Whoever answered last is asked first.
        assert rpc._first == 3
        assert await rpc.request("eth_chainId", []) == "0x7a69"
        await rpc.aclose()


async def test_nobody_answers() -> None:
    rpc = HttpRpc([closed_url()])
    with pytest.raises(LocalError) as caught:
        await rpc.request("eth_chainId", [])
    assert caught.value.code is Code.RPC_UNREACHABLE
    await rpc.aclose()


def test_there_must_be_a_url() -> None:
    with pytest.raises(LocalError) as caught:
        HttpRpc([])
    assert caught.value.code is Code.BAD_SETTINGS
