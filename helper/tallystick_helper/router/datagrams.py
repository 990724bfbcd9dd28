"""Datagrams to one address, asked again until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
TRIES = (0.25, 0.5, 1.0, 2.0)
"""Seconds that each attempt waits: RFC 6886 doubles them from a quarter of a second."""
_LARGEST = 2048


class _Answers(asyncio.DatagramProtocol):
    """Each datagram, with who sent it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue(64)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) <= _LARGEST and not self.heard.full():
            self.heard.put_nowait((data, addr[0]))

    def error_received(self, exc: Exception) -> None:
        """A closed port says so; it is asked again all the same, as one that is silent."""


async def ask(
    request: bytes, targets: list[tuple[str, int]], believed: str, read: Callable[[bytes], T | None]
) -> T | None:
    """Sends `request` until `believed` answers with something that `read` takes (it gives None for what is no answer
    to it); None where nothing came. Datagrams of others are passed over. Raises OSError where nothing can be sent.
    """
    loop = asyncio.get_running_loop()
    transport, answers = await loop.create_datagram_endpoint(_Answers, local_addr=("0.0.0.0", 0))
    try:
        for patience in TRIES:
            for target in targets:
                transport.sendto(request, target)
            found = await _first(answers, believed, read, patience)
            if found is not None:
                return found
    finally:
        transport.close()
    return None


async def _first(answers: _Answers, believed: str, read: Callable[[bytes], T | None], patience: float) -> T | None:
    try:
        async with asyncio.timeout(patience):
            while True:
                data, sender = await answers.heard.get()
                found = read(data) if sender == believed else None
                if found is not None:
                    return found
    except TimeoutError:
        return None
