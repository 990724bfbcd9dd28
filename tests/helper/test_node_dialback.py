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


def dialback(provider: Serving) -> Dialback:
    where = provider.world.where

    async def registered(_: bytes) -> Listing:
        return await provider.listing()

    return Dialback(provider.world.crypto, (where.chain_id, where.registry), registered)


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
    with pytest.raises(PeerError) as caught:
        await dialback(provider).answer(ReachAsk(provider.provider, bytes(32)), ELSEWHERE)
    assert caught.value.code is Code.BAD_REQUEST
    for url in ("ws://10.0.0.1/", "ws://[::1]:80/", "wss://169.254.169.254/"):
        with pytest.raises(PeerError):
            await public_address(url, ELSEWHERE)
    assert await public_address("ws://1.1.1.1/", ELSEWHERE) == "1.1.1.1"


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
