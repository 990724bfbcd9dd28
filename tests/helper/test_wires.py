"""What a public socket takes from a stranger: seconds, frames, and room for what is not read."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from tallystick_helper.node import farewell
from tallystick_helper.node.gate import Gate
from tallystick_helper.server import Listener
from tallystick_helper.wires import HEADER_DEADLINE, GuardedConfig
from tallystick_shared import limits
from tallystick_shared.records import MAX_MESSAGE

from .echoing import listening
from .world import until


@pytest.fixture
async def both() -> AsyncIterator[tuple[Listener, Gate]]:
    async with listening() as made:
        yield made


@pytest.fixture
def listener(both: tuple[Listener, Gate]) -> Listener:
    return both[0]


@pytest.fixture
def gate(both: tuple[Listener, Gate]) -> Gate:
    return both[1]


async def test_idle_partial_and_dripping_clients_are_cut(listener: Listener) -> None:
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


def test_the_deadline_is_four_seconds() -> None:
    assert HEADER_DEADLINE == GuardedConfig.header_deadline == 4.0


class Raw:
    """A WebSocket by hand, that reads only what it wants to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, listener: Listener, path: str = "/ws") -> Raw:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", listener.port))
        raw = cls(*await asyncio.open_connection(sock=made, limit=4096))
        raw.writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        await raw.reader.readuntil(b"\r\n\r\n")
        return raw

    def send(self, opcode: Opcode, data: bytes = b"", *, fin: bool = True, times: int = 1) -> None:
        self.writer.write(Frame(opcode, data, fin).serialize(mask=True) * times)

    async def end(self) -> bytes:
        """What still comes, until the other side is gone."""
        try:
            return await asyncio.wait_for(self.reader.read(), 10)
        except ConnectionError:
            return b""
        finally:
            self.writer.close()


async def test_a_message_in_too_many_frames(listener: Listener) -> None:
    """The bytes of a message are bounded, so the frames must be too: an empty one costs nothing to send."""
    raw = await Raw.dial(listener)
    raw.send(Opcode.BINARY, b"a", fin=False)
    raw.send(Opcode.CONT, b"b", fin=False, times=limits.FRAMES.value - 2)
    raw.send(Opcode.CONT, b"c")
    whole = b"a" + b"b" * (limits.FRAMES.value - 2) + b"c"
    assert (await raw.reader.readexactly(2 + len(whole)))[2:] == whole
    raw.send(Opcode.BINARY, fin=False)
    raw.send(Opcode.CONT, fin=False, times=limits.FRAMES.value)
    assert await raw.end() == b""


async def test_a_giant_in_many_frames(listener: Listener) -> None:
    raw = await Raw.dial(listener)
    raw.send(Opcode.BINARY, bytes(MAX_MESSAGE // 2), fin=False)
    raw.send(Opcode.CONT, bytes(MAX_MESSAGE // 2 + 1))
    assert (1009).to_bytes(2, "big") in await raw.end()


async def test_a_giant_is_refused_by_its_header(listener: Listener) -> None:
    """Its length alone says enough: nothing of it is waited for."""
    raw = await Raw.dial(listener)
    raw.writer.write(b"\x82\xff" + (1 << 40).to_bytes(8, "big") + os.urandom(4))
    assert (1009).to_bytes(2, "big") in await raw.end()


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
async def test_control_frames_without_end(listener: Listener, opcode: Opcode) -> None:
    """Answers to PING would fill memory where nobody reads them, and time where somebody does."""
    raw = await Raw.dial(listener)
    raw.send(opcode, bytes(125), times=10_000)
    said = await raw.end()
    assert len(said) <= 127 * limits.CONTROL_BURST.value


async def test_a_few_pings_are_answered(listener: Listener) -> None:
    async with connect(f"ws://127.0.0.1:{listener.port}/ws", proxy=None) as websocket:
        for _ in range(limits.CONTROL_BURST.value - 1):
            await (await websocket.ping())


async def test_messages_without_end_at_once(listener: Listener) -> None:
    raw = await Raw.dial(listener)
    raw.send(Opcode.BINARY, times=40_000)
    assert len(await raw.end()) <= 4 * limits.MESSAGES_AT_ONCE.value


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A farewell takes no more than 0.3 s without a byte read."""
    monkeypatch.setattr(farewell, "PATIENCE", 0.3)


async def test_who_does_not_answer_a_close_is_cut(listener: Listener, gate: Gate, hasty: None) -> None:
    raw = await Raw.dial(listener, "/bye?messages=1")
    assert len(gate) == 1
    assert (await raw.end())[-4:-2] == b"\x88\x02"
    await until(lambda: len(gate) == 0)


async def test_who_does_not_read_is_cut(listener: Listener, gate: Gate, hasty: None) -> None:
    """It holds no socket, and nothing of what waits for it."""
    raw = await Raw.dial(listener, "/bye?messages=4")
    raw.send(Opcode.BINARY, bytes(10))
    await until(lambda: len(gate) == 0)
    raw.writer.close()


async def test_a_socket_counts_from_its_first_moment_to_its_last(listener: Listener, gate: Gate) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    await until(lambda: len(gate) == 1)
    writer.write(b"GET /ws HTTP/1.1\r\n")
    async with connect(f"ws://127.0.0.1:{listener.port}/ws", proxy=None) as websocket:
        await websocket.send(b"x")
        await websocket.recv()
        assert len(gate) == 2
    writer.close()
    await until(lambda: len(gate) == 0)
    assert await reader.read() == b""


async def test_the_gate_holds_half_open_sockets_down() -> None:
    """Slowloris: a hundred sockets say half a request; those beyond the limit are driven out, the newest stays."""
    async with listening(header_deadline=30.0) as (listener, gate):
        pairs = []
        for _ in range(130):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(b"GET / HTTP/1.1\r\nHost:")
            pairs.append((reader, writer))
        await until(lambda: len(gate) == 100)
        for reader, _ in pairs[:30]:
            assert await Raw(reader, pairs[0][1]).end() == b""
        reader, writer = pairs[-1]
        writer.write(b" x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        for _, writer in pairs:
            writer.close()
