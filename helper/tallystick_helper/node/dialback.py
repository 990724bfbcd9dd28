"""`reach.check`: dials an asker back, and says whether its node answers there."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.market import Listing
from tallystick_shared.reach import ReachAnswer, ReachAsk
from tallystick_shared.records import MAX_MESSAGE, Frame, Hello
from tallystick_shared.session.greeting import read_answer, write_hello

from .addresses import leads_out

PATIENCE = 5.0
"""Seconds for dial, greeting and answer together."""
COARSE = 100
"""Milliseconds in which a success is told."""
PORTS = {"ws": 80, "wss": 443}
Registered = Callable[[bytes], Awaitable[Listing]]
"""A provider as the registry has it. Raises PeerError NOT_REGISTERED."""


class Dialback:
    """`where` is the chain's id and the registry's address (20 bytes), for the HELLO. With `private` it dials this
    machine and its own network too.
    """

    def __init__(
        self, crypto: Crypto, where: tuple[int, bytes], registered: Registered, *, private: bool = False
    ) -> None:
        self._crypto, self._where, self._registered = crypto, where, registered
        self._may = (lambda _: True) if private else leads_out

    async def answer(self, ask: ReachAsk, address: str) -> bytes:
        """`address` is the asking connection's. Raises PeerError BAD_REQUEST where it may not be dialled. How long a
        failure took is not told, and a success only roughly: a clock would tell more of a network than is asked.
        """
        start, target, code = time.monotonic(), await self._target(ask, address), 0
        try:
            async with asyncio.timeout(PATIENCE):
                await self._greet(*target, ask.provider)
        except TimeoutError:
            code = int(Code.TIMED_OUT)
        except PeerError as error:
            code = int(error.code)
        except TallystickError:
            code = int(Code.HANDSHAKE_FAILED)
        except (OSError, WebSocketException, ValueError):
            code = int(Code.PROVIDER_GONE)
        taken = 0 if code else (int((time.monotonic() - start) * 1000) // COARSE + 1) * COARSE
        return ReachAnswer(code, taken).encode()

    async def _target(self, ask: ReachAsk, address: str) -> tuple[str, str, bytes]:
        """(URL, the IP address to dial, the key that must answer)."""
        if ask.port:
            if not self._may(address):
                raise PeerError(Code.BAD_REQUEST, reason="you come from no public address")
            ip = ipaddress.ip_address(address)
            named = f"[{ip}]" if ip.version == 6 else str(ip)
            return f"ws://{named}:{ask.port}/", str(ip), ask.node_key
        try:
            profile = (await self._registered(ask.provider)).usable()
        except PeerError:
            raise PeerError(Code.BAD_REQUEST, reason="not registered") from None
        url = profile.endpoints[0]
        return url, await public_address(url, self._may), profile.node_key

    async def _greet(self, url: str, ip: str, key: bytes, provider: bytes) -> None:
        """Raises PeerError HANDSHAKE_FAILED, or what the other side answers."""
        opening, body = write_hello(self._crypto, Hello(*self._where, provider), key)
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        quiet: dict[str, Any] = {"compression": None, "proxy": None, "user_agent_header": None, "close_timeout": 1.0}
        async with _Straight(url, host=ip, port=port, max_size=MAX_MESSAGE, **quiet) as websocket:
            await websocket.send(bytes([Frame.HELLO]) + body)
            answer = await websocket.recv()
        if isinstance(answer, str) or not answer:
            raise PeerError(Code.HANDSHAKE_FAILED)
        read_answer(self._crypto, opening, answer[0], answer[1:])


class _Straight(connect):
    """Follows no redirects: whoever answers with one is not a node."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def public_address(url: str, may: Callable[[str], bool] = leads_out) -> str:
    """An address of the URL's host that may be dialled. Raises PeerError BAD_REQUEST: nobody may have this node dial
    into its own network.
    """
    host = urlsplit(url).hostname or ""
    try:
        async with asyncio.timeout(PATIENCE):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        raise PeerError(Code.BAD_REQUEST, reason="its endpoint has no address") from None
    for entry in found:
        ip = str(entry[4][0])
        if may(ip):
            return ip
    raise PeerError(Code.BAD_REQUEST, reason="its endpoint leads to no public address")
