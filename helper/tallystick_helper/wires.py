"""uvicorn's two protocols, with the limits that they lack.

uvicorn leaves a socket that never finishes its request headers open for ever, and so it does with one that closes but
whose peer does not read what is left; it answers each PING into a buffer without an end, and counts neither the frames
of a message nor the messages that came at once. Here an absolute header deadline cuts idle, partial and dripping
clients; a socket counts at the gate from its first moment to its last, and goes when it is told to.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from tallystick_shared import limits

from .node.farewell import Farewell
from .node.gate import Gate, Stranger
from .node.rates import Bucket, Rate

HEADER_DEADLINE = limits.HEADER_DEADLINE.value
SLICE = 4096
"""Bytes that are parsed before it is asked whether to go on: some 700 of the smallest frames, a few milliseconds."""
CONTROL = Rate(limits.CONTROL_BURST.value, limits.CONTROL_FRAMES.value)
Event = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class GuardedConfig(uvicorn.Config):
    """uvicorn's, with the seconds within which a first request must be complete, and the gate that counts sockets.
    A socket of one of the `proxies` counts only once it has said for whom it is there.
    """

    header_deadline = HEADER_DEADLINE
    gate: Gate | None = None
    proxies: tuple[Network, ...] = ()

    def is_proxy(self, address: str) -> bool:
        try:
            return any(ipaddress.ip_address(address) in network for network in self.proxies)
        except ValueError:
            return False


class GuardedHttp(H11Protocol):
    """HTTP/1.1 whose first request must be complete in four seconds. An upgraded WebSocket has a protocol of its own
    by then.
    """

    _deadline: asyncio.TimerHandle | None = None
    _stranger: Stranger | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        assert isinstance(self.config, GuardedConfig)
        self._deadline = self.loop.call_later(self.config.header_deadline, self._cut)
        if self.config.gate is not None:
            address = self.client[0] if self.client else ""
            if not self.config.is_proxy(address):
                self._stranger = self.config.gate.enter(address, self.transport.abort)
            # A WebSocket finds its place at the gate, and the way to cut its socket, in its scope.
            self.app_state = {**self.app_state, "stranger": self._stranger, "abort": self.transport.abort}

    def _cut(self) -> None:
        # `scope` is set when the headers are complete; a WebSocket has left this protocol.
        if getattr(self, "scope", None) is None and self.transport.get_protocol() is self:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        leave(self.config, self._stranger)
        super().connection_lost(exc)


def leave(config: uvicorn.Config, stranger: Stranger | None) -> None:
    """A socket is gone: it counts no longer."""
    if stranger is not None and isinstance(config, GuardedConfig) and config.gate is not None:
        config.gate.leave(stranger)


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that takes no more than it can use, and whose socket ends soon after its application."""

    _frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._control = Bucket(CONTROL, self.loop.time())

    def data_received(self, data: bytes) -> None:
        """In slices, so that a heap of tiny frames is given up at its beginning."""
        for at in range(0, len(data), SLICE):
            super().data_received(data[at : at + SLICE])
            if self.transport.is_closing():
                return
            if self.queue.qsize() > limits.MESSAGES_AT_ONCE.value:
                self.transport.abort()
                return

    def handle_text(self, event: Frame) -> None:
        self._frames = 1
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        self._frames = 1
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        self._frames += 1
        if self._frames > limits.FRAMES.value:
            self.transport.abort()
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        super().handle_ping()
        self._count_control()

    def handle_pong(self, event: Frame) -> None:
        super().handle_pong(event)
        self._count_control()

    def _count_control(self) -> None:
        """Answers pile up where the peer does not read them; each costs time where it does."""
        if self._control.left(self.loop.time()) < 1:
            self.transport.abort()
        self._control.take()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        Farewell(self.transport.get_write_buffer_size, self.transport.abort).begin()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        leave(self.config, self.app_state.get("stranger"))
