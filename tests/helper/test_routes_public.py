"""The public listener, as strangers find it."""

from __future__ import annotations

import asyncio
import struct

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tallystick_helper.app import public_app
from tallystick_helper.node import connection as connection_module
from tallystick_helper.node.gate import Gate
from tallystick_helper.routes.public import PublicSocket
from tallystick_helper.server import Listener
from tallystick_helper.settings import ListenSettings
from tallystick_shared.errors import Code
from tallystick_shared.records import Frame, Hello

from .world import CHAIN_ID, Serving, until


async def dial(provider: Serving) -> ClientConnection:
    assert provider.up.public is not None
    return await connect(f"ws://127.0.0.1:{provider.up.public.port}", compression=None, proxy=None)


async def test_plain_http_gets_a_sentence(provider: Serving) -> None:
    assert provider.up.public is not None
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{provider.up.public.port}/any/path")
    assert answer.status_code == 426
    assert answer.headers["connection"] == "close"
    assert "WebSocket" in answer.text


async def test_any_origin_may_come(provider: Serving) -> None:
    assert provider.up.public is not None
    url = f"ws://127.0.0.1:{provider.up.public.port}/some/path"
    async with connect(url, origin="https://anywhere.example", compression=None, proxy=None) as websocket:  # type: ignore[arg-type]
        assert websocket.response is not None
        assert "set-cookie" not in websocket.response.headers


async def test_without_a_node_a_stranger_is_told_to_go() -> None:
    listener = Listener(public_app(lambda: None), "127.0.0.1", 0, websocket=True)
    listener.start()
    async with connect(f"ws://127.0.0.1:{listener.port}", compression=None, proxy=None) as websocket:
        assert await websocket.recv() == bytes([Frame.REFUSED]) + struct.pack(">H", Code.DRAINING)
    await listener.stop()


async def test_a_hello_for_another_provider_is_refused(provider: Serving) -> None:
    websocket = await dial(provider)
    me = provider.node.identity
    hello = Hello(CHAIN_ID, me.registry, b"\x99" * 20).encode()
    await websocket.send(bytes([Frame.HELLO]) + hello + bytes(48))
    assert await websocket.recv() == bytes([Frame.REFUSED]) + struct.pack(">H", Code.WRONG_PROVIDER)
    with pytest.raises(ConnectionClosed):
        await websocket.recv()


@pytest.mark.parametrize("message", [b"", b"\x02" + bytes(100), b"\x00" + bytes(56), b"\xff" * 16448, "text"])
async def test_nonsense_ends_the_connection(provider: Serving, message: bytes | str) -> None:
    websocket = await dial(provider)
    await websocket.send(message)
    with pytest.raises(ConnectionClosed):
        while True:
            await websocket.recv()
    await until(lambda: not provider.node._connections)
    assert len(provider.node.gate) == 0


async def test_who_says_nothing_is_cut_after_five_seconds(provider: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection_module.AUTH_DEADLINE == 5.0
    monkeypatch.setattr(connection_module, "AUTH_DEADLINE", 0.5)
    websocket = await dial(provider)
    async with asyncio.timeout(4):
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
    await until(lambda: not provider.node._connections)


async def test_a_ninth_stranger_drives_out_the_first(provider: Serving) -> None:
    sockets = [await dial(provider) for _ in range(9)]
    with pytest.raises(ConnectionClosed):
        await sockets[0].recv()
    assert len(provider.node.gate) == 8
    for websocket in sockets[1:]:
        await websocket.close()


class Noting:
    """Serves nobody: it notes who comes, and how many count as strangers then."""

    draining = False

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.seen: list[tuple[str, int]] = []

    async def serve(self, socket: PublicSocket, address: str) -> None:
        self.seen.append((address, len(self.gate)))
        assert (socket.stranger is None) == (len(self.gate) == 0)


@pytest.mark.parametrize(
    ("proxies", "said", "address", "counted"),
    [
        ([], ["203.0.113.9"], "127.0.0.1", 1),
        (["127.0.0.1"], ["203.0.113.9"], "203.0.113.9", 0),
        (["127.0.0.0/8"], ["198.51.100.1, 203.0.113.9, 127.0.0.7"], "203.0.113.9", 0),
        (["127.0.0.1"], ["198.51.100.1", "203.0.113.9"], "203.0.113.9", 0),
        (["127.0.0.1"], ["[2001:db8::1]:443"], "2001:db8::1", 0),
        (["127.0.0.1"], [], "127.0.0.1", 0),
        (["127.0.0.2"], ["203.0.113.9"], "127.0.0.1", 1),
    ],
)
async def test_only_a_listed_proxy_is_believed(proxies: list[str], said: list[str], address: str, counted: int) -> None:
    gate = Gate()
    noting = Noting(gate)
    listener = Listener(public_app(lambda: noting), "127.0.0.1", 0, websocket=True, gate=gate, proxies=proxies)
    listener.start()
    headers = [("X-Forwarded-For", each) for each in said]
    url = f"ws://127.0.0.1:{listener.port}"
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as websocket:
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
    await listener.stop()
    assert noting.seen == [(address, counted)]


def test_a_proxy_is_an_address_or_a_network() -> None:
    assert ListenSettings(proxies=["10.0.0.2", "fd00::/8"]).proxies == ["10.0.0.2/32", "fd00::/8"]
    with pytest.raises(ValueError, match="an address or a network"):
        ListenSettings(proxies=["proxy.example"])
