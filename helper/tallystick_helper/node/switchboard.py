"""One public listener for several nodes: a client's first message says which chain, registry and provider it wants."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from tallystick_shared.errors import Code, TallystickError
from tallystick_shared.records import HELLO_SIZE, Frame, Hello

from . import connection
from .driven import Socket
from .gate import Gate
from .service import Node

Name = tuple[int, bytes, bytes]
"""Chain id, registry and provider, as a HELLO names them."""


class Switchboard:
    """Fills the place of one node before the listener; `nodes` gives those that serve now, the first one first."""

    def __init__(self, nodes: Callable[[], Sequence[Node]], absent: Callable[[], Collection[Name]], gate: Gate) -> None:
        """`absent` names those that were announced but do not serve yet."""
        self._nodes, self._absent, self._gate = nodes, absent, gate

    @property
    def draining(self) -> bool:
        """True while no node takes anybody."""
        return all(node.draining for node in self._nodes())

    async def serve(self, socket: Socket, address: str) -> None:
        """One connection, until it ends. With one chain there is nothing to choose, and nothing is read before it."""
        nodes = self._nodes()
        if len(nodes) == 1 and not self._absent():
            await nodes[0].serve(socket, address)
            return
        began = time.monotonic()
        first = await self._first_message(socket, address)
        nodes = self._nodes()
        if first is not None and (not nodes or named(first) in self._absent()):
            with suppress(OSError):
                await socket.send(bytes([Frame.REFUSED]) + struct.pack(">H", Code.DRAINING))
            first = None
        if first is None:
            await socket.close()
            return
        waited = time.monotonic() - began
        await wanted(nodes, first).serve(Replayed(socket, first), address, waited)

    async def _first_message(self, socket: Socket, address: str) -> bytes | None:
        """None where it does not come in time, or its sender has to make room. Until then it counts as a stranger."""
        receiving = asyncio.ensure_future(socket.receive())
        stranger = socket.stranger
        if stranger is None:
            stranger = self._gate.enter(address, lambda: _cancel(receiving))
        try:
            await asyncio.wait([receiving], timeout=connection.AUTH_DEADLINE)
            return receiving.result() if receiving.done() and not receiving.cancelled() else None
        finally:
            if socket.stranger is None:
                self._gate.leave(stranger)
            receiving.cancel()


def _cancel(task: asyncio.Future[bytes | None]) -> None:
    task.cancel()


class Replayed:
    """A socket whose first message was read already."""

    def __init__(self, socket: Socket, first: bytes) -> None:
        self._socket, self.stranger = socket, socket.stranger
        self._first: bytes | None = first

    async def receive(self) -> bytes | None:
        first, self._first = self._first, None
        return first if first is not None else await self._socket.receive()

    async def send(self, message: bytes) -> None:
        await self._socket.send(message)

    async def close(self) -> None:
        await self._socket.close()

    def abort(self) -> None:
        self._socket.abort()


def wanted(nodes: Sequence[Node], first: bytes) -> Node:
    """The node that a HELLO names. Where there is none, the first one says so, as it would alone."""
    for node in nodes:
        me = node.identity
        if named(first) == (me.chain_id, me.registry, me.provider):
            return node
    return nodes[0]


def named(first: bytes) -> Name | None:
    """Whom a first message wants; None where it is no HELLO."""
    if first[:1] != bytes([Frame.HELLO]):
        return None
    try:
        hello = Hello.decode(first[1 : 1 + HELLO_SIZE])
    except TallystickError:
        return None
    return hello.chain_id, hello.registry, hello.provider
