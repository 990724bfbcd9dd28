"""A client by hand at a node's public socket: it says what it is told to, and no more."""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code
from tallystick_shared.profile import Profile
from tallystick_shared.records import Frame, Hello
from tallystick_shared.session import ClientLimits, ClientSession, Resume
from tallystick_shared.session.events import Closed, Event, Ready
from tallystick_shared.session.tickets import NO_TICKET

from .world import CHAIN_ID, Serving


class Knock:
    """One connection. `session` is the client's end, driven by the methods below."""

    def __init__(self, provider: Serving, profile: Profile, websocket: ClientConnection, flags: int = 0) -> None:
        self.provider, self.websocket = provider, websocket
        me = provider.node.identity
        hello = Hello(CHAIN_ID, me.registry, me.provider, profile.least_suite, flags)
        self.session = ClientSession(provider.world.crypto, hello, profile.node_key, ClientLimits(10**18, 10**18))
        self.events: list[Event] = []

    @classmethod
    async def dial(cls, provider: Serving, flags: int = 0) -> Knock:
        assert provider.up.public is not None
        url = f"ws://127.0.0.1:{provider.up.public.port}"
        websocket = await connect(url, compression=None, proxy=None, max_size=None)
        return cls(provider, provider.node.profile, websocket, flags)

    async def flush(self) -> None:
        for message in self.session.outgoing():
            await self.websocket.send(message)

    async def take(self) -> bytes:
        """One message from the node, also given to the session. Raises ConnectionClosed."""
        message = await self.websocket.recv()
        assert isinstance(message, bytes)
        self.session.receive(message, 0.0)
        self.events += self.session.events()
        return message

    async def greet(self, ticket: bytes = NO_TICKET) -> bytes:
        """HELLO and the first handshake message; the node's answer."""
        self.session.start(ticket)
        await self.flush()
        return await self.take()

    async def auth(self, deposit: Deposit) -> None:
        """AUTH for a deposit, after `greet`; nothing is waited for."""
        self.session.authenticate(deposit.proof(), deposit.cap, Resume(), self.provider.node.now())
        await self.flush()

    async def until(self, kind: type[Event]) -> Any:
        """Takes what comes until an event of this kind is there."""
        while not (found := [event for event in self.events if isinstance(event, kind)]):
            await self.take()
        return found[-1]

    async def enter(self, deposit: Deposit) -> Knock:
        """All the way in."""
        await self.greet()
        await self.auth(deposit)
        await self.until(Ready)
        return self

    async def end(self) -> Code | None:
        """The code of the error with which the node ends it; None where it only closes."""
        try:
            while not self.session.closed:
                await self.take()
        except ConnectionClosed:
            return None
        finally:
            await self.websocket.close()
        closed = await self.until(Closed)
        return closed.error.code if closed.error else None


def refusal(code: Code) -> bytes:
    """What a client without a key is told."""
    return bytes([Frame.REFUSED]) + struct.pack(">H", code)


class CountingCrypto(NativeCrypto):
    """Counts what costs."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def x25519(self, private: bytes, public: bytes) -> bytes:
        self.calls["x25519"] += 1
        return super().x25519(private, public)

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        self.calls["kem"] += 1
        return super().kem_encapsulate(public)

    def secp256k1_recover(self, digest: bytes, signature: bytes) -> bytes:
        self.calls["signature"] += 1
        return super().secp256k1_recover(digest, signature)

    def p256_verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        self.calls["signature"] += 1
        return super().p256_verify(public, message, signature)
