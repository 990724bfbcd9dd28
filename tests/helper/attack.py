"""Strangers who want to be in the way of a node, from as many addresses as they like.

Every kind of them is one connection that goes on until the node cuts it. Run as a program it takes a target as JSON and
keeps so many of them coming; all of 127.0.0.0/8 is this machine, so each comes from an address of its own.

    python -m tests.helper.attack '{"port": 8766, …}' SECONDS RATE < /dev/tty
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

from websockets.frames import Frame, Opcode

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.chains import Deployment
from tallystick_shared.channel import NATIVE, Config, leaf
from tallystick_shared.market import Listing
from tallystick_shared.records import Hello
from tallystick_shared.session import ClientLimits, ClientSession, Proof, Resume

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
HALF = UPGRADE[:100]
Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Target:
    """A node as its profile shows it to everybody. Bytes are hex, so that it can be written as JSON."""

    port: int
    chain_id: int
    registry: str
    channels: str
    provider: str
    node_key: str
    payee: str
    operator: str
    delay: int
    suite: int

    @classmethod
    def of(cls, where: Deployment, listing: Listing) -> Target:
        """What everybody can read on chain is all that it takes."""
        profile = listing.usable()
        port = int(profile.endpoints[0].rsplit(":", 1)[1])
        names = (where.registry, where.channels, listing.provider, profile.node_key, profile.payee, profile.operator)
        return cls(port, where.chain_id, *(name.hex() for name in names), profile.minimum_delay, profile.least_suite)

    def dumps(self) -> str:
        return json.dumps(asdict(self))


def anywhere() -> str:
    """One of sixteen million addresses of this machine."""
    return f"127.{random.randrange(1, 250)}.{random.randrange(250)}.{random.randrange(1, 250)}"


class Attack:
    """`made` counts the connections of each kind, `signed` the AUTHs that were sent."""

    def __init__(self, target: Target) -> None:
        self.target, self.made, self.signed = target, Counter[str](), 0
        self._crypto = NativeCrypto()
        self.begun = asyncio.Event()
        """Set once there was one of each kind."""
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.kinds: dict[str, Callable[[Wire], Awaitable[None]]] = {
            "half": self.half,
            "drip": self.drip,
            "giant": self.giant,
            "frames": self.frames,
            "pings": self.pings,
            "silent": self.silent,
            "unfunded": self.unfunded,
        }

    # -- one connection of each kind

    async def half(self, wire: Wire) -> None:
        wire[1].write(HALF)
        await wire[0].read()

    async def drip(self, wire: Wire) -> None:
        for at in range(len(UPGRADE)):
            wire[1].write(UPGRADE[at : at + 1])
            await asyncio.sleep(0.2)

    async def silent(self, wire: Wire) -> None:
        await self._upgrade(wire)
        await wire[0].read()

    async def giant(self, wire: Wire) -> None:
        await self._upgrade(wire)
        wire[1].write(Frame(Opcode.BINARY, os.urandom(1 << 18)).serialize(mask=True))
        await wire[0].read()

    async def frames(self, wire: Wire) -> None:
        await self._upgrade(wire)
        wire[1].write(Frame(Opcode.BINARY, b"", False).serialize(mask=True))
        wire[1].write(Frame(Opcode.CONT, b"", False).serialize(mask=True) * 20_000)
        await wire[0].read()

    async def pings(self, wire: Wire) -> None:
        await self._upgrade(wire)
        wire[1].write(Frame(Opcode.PING, b"").serialize(mask=True) * 20_000)
        await asyncio.sleep(2)

    async def unfunded(self, wire: Wire) -> None:
        """All of a handshake, and a good signature for a channel that was never opened."""
        session = self._session()
        await self._upgrade(wire)
        session.start()
        self._flush(session, wire[1])
        answer = await self._message(wire[0])
        session.receive(answer, 0.0)
        if session.closed:
            return
        session.authenticate(self._proof(), 10**18, Resume(), int(time.time()))
        self._flush(session, wire[1])
        self.signed += 1
        await wire[0].read()

    # -- how

    async def _upgrade(self, wire: Wire) -> None:
        wire[1].write(UPGRADE)
        await wire[0].readuntil(b"\r\n\r\n")

    def _session(self) -> ClientSession:
        to = self.target
        hello = Hello(to.chain_id, bytes.fromhex(to.registry), bytes.fromhex(to.provider), to.suite)
        return ClientSession(self._crypto, hello, bytes.fromhex(to.node_key), ClientLimits(10**18, 10**18))

    def _proof(self) -> Proof:
        to, key = self.target, os.urandom(32)
        payee, operator = bytes.fromhex(to.payee), bytes.fromhex(to.operator)
        root = leaf(self._crypto, payee, operator)
        signer = self._crypto.secp256k1_address(key)
        config = Config(os.urandom(20), signer, root, NATIVE, to.delay, os.urandom(32))
        return Proof(bytes.fromhex(to.channels), config, key, payee, operator)

    @staticmethod
    def _flush(session: ClientSession, writer: asyncio.StreamWriter) -> None:
        for message in session.outgoing():
            writer.write(Frame(Opcode.BINARY, message).serialize(mask=True))

    @staticmethod
    async def _message(reader: asyncio.StreamReader) -> bytes:
        """One unmasked frame."""
        size = (await reader.readexactly(2))[1]
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        return await reader.readexactly(size)

    async def one(self, kind: str) -> None:
        """One connection, from its own address, until it is cut."""
        with suppress(OSError, asyncio.IncompleteReadError):
            wire = await asyncio.open_connection("127.0.0.1", self.target.port, local_addr=(anywhere(), 0))
            self.made[kind] += 1
            if len(self.made) >= len(self.kinds):
                self.begun.set()
            try:
                await self.kinds[kind](wire)
            finally:
                wire[1].transport.abort()

    async def run(self, rate: float, kinds: list[str] | None = None) -> None:
        """So many new connections a second, of each kind in turn, until `stop`."""
        loop, number, began = asyncio.get_running_loop(), 0, asyncio.get_running_loop().time()
        kinds = kinds or list(self.kinds)
        while not self._stopping.is_set():
            while number < rate * (loop.time() - began):
                task = asyncio.create_task(self.one(kinds[number % len(kinds)]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                number += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0.02)

    async def stop(self) -> None:
        self._stopping.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def main(target: Target, seconds: float, rate: float) -> None:
    """Says `{}` once one of each kind is there, and at the end how many there were; ends early with its input."""
    attack = Attack(target)
    running = asyncio.create_task(attack.run(rate))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await attack.begun.wait()
    print("{}", flush=True)
    await asyncio.wait([running, ended], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    await attack.stop()
    print(json.dumps(attack.made), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Target(**json.loads(sys.argv[1])), float(sys.argv[2]), float(sys.argv[3])))
