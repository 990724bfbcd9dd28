"""Whose turn it is on one connection: so many streams at once, all of one class of traffic, first come, first served.

A connection's class of traffic changes only at rest (section 6 of the protocol). Without an order here, a request of
another class would be put off for as long as others keep coming.
"""

from __future__ import annotations

import asyncio
from collections import deque

from tallystick_shared.services import Traffic


class Turns:
    """`most` at once. `enter` waits for a turn, `leave` gives it back."""

    def __init__(self, most: int) -> None:
        self._most, self._running = most, 0
        self._kind: Traffic | None = None
        self._waiting: deque[tuple[Traffic, asyncio.Future[None]]] = deque()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def busy(self) -> bool:
        """Does anybody have a turn, or wait for one?"""
        return bool(self._running or self._waiting)

    async def enter(self, kind: Traffic) -> None:
        """Waits for a turn in this class. Cancelled, it takes none."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((kind, turn))
        self._empty.clear()
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            else:
                self._waiting = deque(one for one in self._waiting if one[1] is not turn)
                self._serve()
            raise

    def leave(self) -> None:
        self._running -= 1
        self._serve()

    async def emptied(self) -> None:
        """Returns once nobody has a turn or waits for one."""
        await self._empty.wait()

    def _serve(self) -> None:
        while self._waiting and self._running < self._most:
            kind, turn = self._waiting[0]
            if self._running and kind is not self._kind:
                break
            self._waiting.popleft()
            if not turn.cancelled():
                self._kind, self._running = kind, self._running + 1
                turn.set_result(None)
        if not self.busy:
            self._empty.set()
