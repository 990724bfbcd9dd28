"""One node dials another back: its own address, or a registered endpoint, by one greeting and nothing else."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tallystick_helper.guest import NativeGuest
from tallystick_helper.node.dialback import Dialback, public_address
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.market import Listing
from tallystick_shared.reach import ReachAsk, read_answer
from tallystick_shared.records import Frame

from .world import Serving

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.1"


async def never(provider: bytes) -> Listing:
    raise PeerError(Code.NOT_REGISTERED)


def dialback(provider: Serving, *, private: bool = True) -> Dialback:
    where = provider.world.where

    async def registered(_: bytes) -> Listing:
        return await provider.listing()

    return Dialback(provider.world.crypto, (where.chain_id, where.registry), registered, private=private)


async def asked(one: Dialback, ask: ReachAsk, address: str = HERE) -> Code | None:
    answer = read_answer(await one.answer(ask, address))
    return None if answer.reached else answer.fault


async def test_it_reaches_who_asks_and_who_is_registered(provider: Serving) -> None:
    profile = (await provider.listing()).usable()
    port, key = urlsplit(profile.endpoints[0]).port or 0, profile.node_key
    one = dialback(provider)
    assert await asked(one, ReachAsk(provider.provider, key, port)) is None
    assert await asked(one, ReachAsk(provider.provider, key)) is None
    assert await asked(one, ReachAsk(provider.provider, bytes(31) + b"\x09", port)) is Code.HANDSHAKE_FAILED
    assert await asked(one, ReachAsk(provider.provider, key, 1)) is Code.PROVIDER_GONE
    # as a guest asks it, over the wire
    answer = await NativeGuest(provider.world.crypto, provider.world.where).reach(
        await provider.listing(), ReachAsk(provider.provider, key)
    )
    assert answer.reached


async def test_nobody_has_it_dial_into_its_own_network(provider: Serving) -> None:
    one, port = dialback(provider, private=False), urlsplit((await provider.listing()).usable().endpoints[0]).port or 0
    for ask, address in (
        (ReachAsk(provider.provider, bytes(32)), ELSEWHERE),
        (ReachAsk(provider.provider, bytes(32)), HERE),
        (ReachAsk(provider.provider, bytes(32), port), HERE),  # or a proxy is, that nobody named
        (ReachAsk(provider.provider, bytes(32), port), "192.168.1.1"),
        (ReachAsk(provider.provider, bytes(32), port), "nowhere"),
    ):
        with pytest.raises(PeerError) as caught:
            await one.answer(ask, address)
        assert caught.value.code is Code.BAD_REQUEST
    for url in ("ws://10.0.0.1/", "ws://[::1]:80/", "wss://169.254.169.254/", "ws://[64:ff9b::7f00:1]/"):
        with pytest.raises(PeerError):
            await public_address(url)
    assert await public_address("ws://1.1.1.1/") == "1.1.1.1"


async def test_it_follows_nobody_and_tells_no_times(provider: Serving) -> None:
    """A redirect, or an answer that is none, is like nobody being there."""

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.2:9/\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    one, key = dialback(provider), (await provider.listing()).usable().node_key
    async with await asyncio.start_server(elsewhere, HERE, 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = read_answer(await one.answer(ReachAsk(provider.provider, key, port), HERE))
    assert answer.fault is Code.PROVIDER_GONE and answer.milliseconds == 0
    answer = read_answer(await one.answer(ReachAsk(provider.provider, key), HERE))
    assert answer.reached and answer.milliseconds > 0 and answer.milliseconds % 100 == 0


async def test_who_is_not_registered_is_not_dialled(provider: Serving) -> None:
    where = provider.world.where
    one = Dialback(provider.world.crypto, (where.chain_id, where.registry), never)
    with pytest.raises(PeerError) as caught:
        await one.answer(ReachAsk(b"\x09" * 20, bytes(32)), HERE)
    assert caught.value.code is Code.BAD_REQUEST


async def test_it_says_hello_and_nothing_else(provider: Serving) -> None:
    """Whatever listens there gets one WebSocket message, which is a greeting."""
    from websockets.asyncio.server import ServerConnection, serve

    heard: list[bytes | str] = []
    over = asyncio.Event()

    async def listen(connection: ServerConnection) -> None:
        heard.append(await connection.recv())
        await connection.send(b"\x03\x01\xf6")
        heard.extend([message async for message in connection])
        over.set()

    async with serve(listen, HERE, 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        key = (await provider.listing()).usable().node_key
        assert await asked(dialback(provider), ReachAsk(provider.provider, key, port)) is Code.DRAINING
        await over.wait()
    (only,) = heard
    assert isinstance(only, bytes) and only[0] == Frame.HELLO
