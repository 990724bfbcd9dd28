"""One listener for two nodes: who says nothing, nonsense, or another name."""

from __future__ import annotations

import struct
import time

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tallystick_helper.node import connection as connection_module
from tallystick_shared.errors import Code
from tallystick_shared.records import Frame, Hello

from .two_chains import OTHER_ID, Pair
from .world import CHAIN_ID, until


async def dial(pair: Pair) -> ClientConnection:
    assert pair.up.public is not None
    return await connect(f"ws://127.0.0.1:{pair.up.public.port}", compression=None, proxy=None)


def refused(code: Code) -> bytes:
    return bytes([Frame.REFUSED]) + struct.pack(">H", code)


@pytest.mark.parametrize("chain_id", [CHAIN_ID, OTHER_ID])
async def test_a_hello_finds_its_own_node(pair: Pair, chain_id: int) -> None:
    node = next(node for node in pair.up.nodes if node.identity.chain_id == chain_id)
    websocket = await dial(pair)
    me = node.identity
    await websocket.send(bytes([Frame.HELLO]) + Hello(chain_id, me.registry, me.provider).encode())
    # The named node went on to the handshake, which is empty.
    assert await websocket.recv() == refused(Code.HANDSHAKE_FAILED)
    with pytest.raises(ConnectionClosed):
        await websocket.recv()


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (bytes([Frame.HELLO]) + Hello(7, b"\x01" * 20, b"\x02" * 20).encode(), Code.WRONG_PROVIDER),
        (bytes([Frame.HELLO]) + b"nonsense", Code.BAD_HELLO),
    ],
    ids=["stranger", "nonsense"],
)
async def test_nobody_of_that_name(pair: Pair, first: bytes, code: Code) -> None:
    websocket = await dial(pair)
    await websocket.send(first)
    assert await websocket.recv() == refused(code)
    with pytest.raises(ConnectionClosed):
        await websocket.recv()


async def test_another_kind_of_message_first(pair: Pair) -> None:
    websocket = await dial(pair)
    await websocket.send(bytes([Frame.RECORD]) + bytes(300))
    with pytest.raises(ConnectionClosed):
        await websocket.recv()


async def test_who_says_nothing_is_let_go(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "AUTH_DEADLINE", 0.2)
    began = time.monotonic()
    websocket = await dial(pair)
    with pytest.raises(ConnectionClosed):
        await websocket.recv()
    assert time.monotonic() - began < 4
    gate = pair.first.node.gate
    await until(lambda: len(gate) == 0)


async def test_a_ninth_silent_stranger_drives_out_the_first(pair: Pair) -> None:
    sockets = [await dial(pair) for _ in range(8)]
    gate = pair.first.node.gate
    await until(lambda: len(gate) == 8)
    ninth = await dial(pair)
    with pytest.raises(ConnectionClosed):
        await sockets[0].recv()
    assert len(gate) == 8
    for socket in [*sockets[1:], ninth]:
        await socket.close()
    await until(lambda: len(gate) == 0)


async def test_who_hangs_up_at_once_leaves_nothing(pair: Pair) -> None:
    websocket = await dial(pair)
    await websocket.close()
    await until(lambda: len(pair.first.node.gate) == 0)
    assert not any(node._connections for node in pair.up.nodes)
