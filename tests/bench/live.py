"""How many live streams one node process holds with its beats kept on time, beside a plain server of events.

Both send the same tokens, 50 a second on each stream, in a process of their own; this one is all their clients. Ours
are real sessions on a channel each, which decrypt, count and sign; of the peer's events only the arrivals are noted.
Streams are added until one arrival in a hundred is 100 ms late.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.node.ticker import Ticker
from tallystick_shared.chat import chat_input
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import TallystickError
from tallystick_shared.messages import decode
from tallystick_shared.profile import Profile
from tallystick_shared.records import ALONE, Hello
from tallystick_shared.session import ClientLimits, ClientSession, Request, Resume
from tallystick_shared.session import events as ev
from tests.bench import sse
from tests.bench.live_node import node
from tests.bench.row import Row, missing
from tests.bench.tokens import BATCH, EVERY, RATE, TEXT

MOST, STEP, AT_ONCE = 1600, 100, 20
SECONDS, SETTLE = 2.0, 1.0
LATE = 0.1
GOAL, LEAST = 1.5, 1000
CRYPTO = NativeCrypto()
AGAINST = "a plain server of events"


@dataclass
class Arrivals:
    """When something that is due every tenth of a second came: (time, its number)."""

    seen: list[tuple[float, int]] = field(default_factory=list)

    def late(self, end: float) -> list[float]:
        """Seconds behind the earliest rhythm that fits; what is still missing at the end counts as late as that."""
        if not self.seen:
            return [SECONDS]
        start = min(at - number * EVERY for at, number in self.seen)
        return [at - number * EVERY - start for at, number in [*self.seen, (end, self.seen[-1][1] + 1)]]


class Line(asyncio.Protocol, ABC):
    """One connection; `live` is set once its stream runs."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self.count = 0
        self.live: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def note(self, number: int) -> None:
        self.arrivals.seen.append((time.monotonic(), number))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.begin(transport)

    @abstractmethod
    def begin(self, transport: asyncio.Transport) -> None:
        """Sends what starts a stream."""

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.live.done():
            self.live.set_exception(RuntimeError("the connection ended"))


class Events(Line):
    """A client of the peer."""

    def begin(self, transport: asyncio.Transport) -> None:
        transport.write(sse.post("go on for ever", 0))

    def data_received(self, data: bytes) -> None:
        self.count += data.count(b"data: ")
        self.note((self.count - 2) // BATCH)  # the batch of the last event; the first event carries no token
        if not self.live.done():
            self.live.set_result(None)


class Paying(Line):
    """A client of the node, over the least WebSocket that will do (RFC 6455): whole binary messages, the mask zeros."""

    def __init__(self, up: dict[str, Any], deposit: Deposit, ticker: Ticker) -> None:
        super().__init__()
        self._profile = decode(Profile, bytes.fromhex(up["profile"]))
        hello = Hello(up["chain_id"], bytes.fromhex(up["registry"]), bytes.fromhex(up["provider"]), flags=ALONE)
        limits = ClientLimits(10**18, 10**15)
        self.session = ClientSession(CRYPTO, hello, self._profile.node_key, limits)
        self._deposit, self._ticker = deposit, ticker
        self._read = b""
        self._open = False

    def begin(self, transport: asyncio.Transport) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET / HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self._open:
            head, end, self._read = self._read.partition(b"\r\n\r\n")
            if not end:
                self._read = head
                return
            self._open = True
            self.session.start()
        while (message := self._message()) is not None:
            self.count += 1
            self.note(self.count)
            self.session.receive(message, self._ticker.now())
        self._pump()

    def _message(self) -> bytes | None:
        """The next whole binary message."""
        while len(self._read) >= 2:
            kind, size, head = self._read[0] & 15, self._read[1] & 127, 2
            if size == 126:
                size, head = int.from_bytes(self._read[2:4], "big"), 4
            if len(self._read) < head + size:
                return None
            message, self._read = self._read[head : head + size], self._read[head + size :]
            if kind == 2:
                return message
            if kind == 9:
                self._send(message, 10)
        return None

    def _send(self, message: bytes, kind: int = 2) -> None:
        assert self.transport is not None
        head = bytes([0x80 | kind, 0x80 | min(len(message), 126)])
        if len(message) >= 126:
            head += len(message).to_bytes(2, "big")
        self.transport.write(head + bytes(4) + message)

    def tick(self, now: float) -> None:
        self.session.tick(now)
        self._pump()

    def _pump(self) -> None:
        while events := self.session.events():
            for event in events:
                self._handle(event)
        for message in self.session.outgoing():
            self._send(message)
        self._ticker.want(self, self.session.next_deadline())

    def _handle(self, event: ev.Event) -> None:
        if isinstance(event, ev.Keyed):
            self.session.authenticate(self._deposit.proof(), self._deposit.cap, Resume(), int(time.time()))
        elif isinstance(event, ev.Ready):
            data = chat_input([("user", TEXT.replace("|", " "))])
            request = Request(os.urandom(16), "chat", b"", data, self._profile.offers[0], 10**6)
            self.session.open(request, self.session.first_amount(request))
        elif isinstance(event, ev.VoucherDue):
            self.session.send_voucher(event.amount)
        elif isinstance(event, ev.Output) and not self.live.done():
            self.live.set_result(None)
        elif isinstance(event, ev.Closed | ev.Refused) and not self.live.done():
            self.live.set_exception(event.error or RuntimeError("the connection ended"))


Connect = Callable[[int], Awaitable[Line]]


async def held(connect: Connect, most: int) -> tuple[int, float]:
    """(streams with at most one arrival in a hundred late, seconds by which that one was late)."""
    lines: list[Line] = []
    best = (0, 0.0)
    try:
        while len(lines) < most:
            for first in range(len(lines), len(lines) + STEP, AT_ONCE):
                new = await asyncio.gather(*(connect(number) for number in range(first, first + AT_ONCE)))
                lines += new
                await asyncio.wait_for(asyncio.gather(*(line.live for line in new)), 20)
            late = await lateness(lines)
            if late >= LATE:
                break
            best = (len(lines), late)
    except TimeoutError:
        pass  # no more of them get a first token: that is the end
    finally:
        for line in lines:
            if line.transport is not None:
                line.transport.abort()
    return best


async def lateness(lines: list[Line]) -> float:
    """The lateness that all but one in a hundred arrivals of the next seconds keep."""
    await asyncio.sleep(SETTLE)
    for line in lines:
        line.arrivals = Arrivals()
    await asyncio.sleep(SECONDS)
    end = time.monotonic()
    late = sorted(each for line in lines for each in line.arrivals.late(end))
    return late[len(late) * 99 // 100]


async def ours(up: dict[str, Any]) -> tuple[int, float]:
    """The node."""
    loop, ticker = asyncio.get_running_loop(), Ticker()
    deposits = [decode(Deposit, bytes.fromhex(each)) for each in up["deposits"]]

    async def connect(number: int) -> Line:
        _, line = await loop.create_connection(lambda: Paying(up, deposits[number], ticker), "127.0.0.1", up["port"])
        return line

    try:
        return await held(connect, len(deposits))
    finally:
        ticker.close()


async def theirs(port: int, most: int) -> tuple[int, float]:
    """The peer."""
    loop = asyncio.get_running_loop()

    async def connect(number: int) -> Line:
        _, line = await loop.create_connection(Events, sse.HOST, port)
        return line

    return await held(connect, most)


def live_streams() -> list[Row]:
    """One row: streams."""
    try:
        with sse.running() as server:
            plain, plain_late = asyncio.run(theirs(server.port, MOST))
        with node(MOST) as up:
            mine, late = asyncio.run(ours(up))
    except (OSError, RuntimeError, ValueError, TallystickError, json.JSONDecodeError) as error:
        return [missing("live_streams", "streams", AGAINST, f"≥ {GOAL} and ≥ {LEAST:,}", str(error) or repr(error))]
    ratio = mine / plain if plain else 0.0
    note = (
        f"{RATE} tokens/s each, paid; by steps of {STEP} up to {MOST:,}; latest of 99 in 100: {1000 * late:.0f} ms, "
        f"theirs {1000 * plain_late:.0f} ms"
    )
    ok = ratio >= GOAL and mine >= LEAST
    against = f"{AGAINST}: {plain:,}"
    return [
        Row("live_streams", mine, "streams", against, ratio, f"≥ {GOAL} and ≥ {LEAST:,}", ok, STEP / max(mine, 1), note)
    ]
