"""Slots and the bounded queue before them.

First come, first served. A place is taken the moment that `reserve` returns, so there is no gap between asking and
entering; when neither a slot nor a place in the queue is left, the refusal says when to come back. Only who is charged
already may wait beyond the queue's places.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tallystick_shared.errors import Code, LocalError

_MIN_RETRY_MS = 250
_MAX_RETRY_MS = 30_000


@dataclass(frozen=True, slots=True)
class Load:
    """How full an engine is."""

    slots: int
    queue: int
    running: int
    waiting: int


class Ticket:
    """A slot, or a place in the queue. `slot()` waits for the slot; `release()` gives it back, and may be called at
    any time and twice.
    """

    def __init__(self, slots: Slots, scope: bytes) -> None:
        self.scope = scope
        self.warm = False
        """True where the slot's last user was of the same scope."""
        self._slots = slots
        self._slot: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def slot(self) -> int:
        """The slot's number. Raises asyncio.CancelledError where the ticket was released before its turn."""
        return await self._slot

    @property
    def place(self) -> int:
        """How many are before it in the queue, itself counted; 0 once it has a slot."""
        return self._slots.place(self)

    def release(self) -> None:
        self._slots.release(self)


class Slots:
    """`slots` at once, `queue` waiting, the rest refused."""

    def __init__(self, slots: int, queue: int, clock: Callable[[], float] = time.monotonic) -> None:
        if slots < 1 or queue < 0:
            raise LocalError(Code.BAD_SETTINGS, slots=slots, queue=queue)
        self._size = slots
        self._queue = queue
        self._clock = clock
        self._free = deque(range(slots))
        self._last_scope: dict[int, bytes] = {}
        self._running: dict[Ticket, tuple[int, float]] = {}
        self._waiting: deque[Ticket] = deque()
        self._mean_hold = 2.0

    def load(self) -> Load:
        return Load(self._size, self._queue, len(self._running), len(self._waiting))

    def full(self) -> bool:
        return not self._free and len(self._waiting) >= self._queue

    def place(self, ticket: Ticket) -> int:
        return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0

    def retry_after_ms(self) -> int:
        """When a place is likely to be free: the mean time that a slot was held, shared among the slots."""
        wait = self._mean_hold * 1000 / self._size * max(1, len(self._waiting))
        return int(min(max(wait, _MIN_RETRY_MS), _MAX_RETRY_MS))

    def reserve(self, scope: bytes = b"", *, charged: bool = False) -> Ticket:
        """A ticket. Raises LocalError BUSY with `retry_after_ms`, but never for what is charged already."""
        if self.full() and not charged:
            raise LocalError(Code.BUSY, retry_after_ms=self.retry_after_ms())
        ticket = Ticket(self, scope)
        self._waiting.append(ticket)
        self._serve()
        return ticket

    def release(self, ticket: Ticket) -> None:
        if ticket in self._running:
            slot, since = self._running.pop(ticket)
            self._mean_hold += 0.2 * (self._clock() - since - self._mean_hold)
            self._free.append(slot)
            self._serve()
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
            ticket._slot.cancel()

    def _serve(self) -> None:
        while self._free and self._waiting:
            ticket = self._waiting.popleft()
            if ticket._slot.cancelled():  # its owner was cancelled while it waited, and has not released it yet
                continue
            slot = self._choose(ticket.scope)
            ticket.warm = bool(ticket.scope) and self._last_scope.get(slot) == ticket.scope
            self._last_scope[slot] = ticket.scope
            self._running[ticket] = (slot, self._clock())
            ticket._slot.set_result(slot)

    def _choose(self, scope: bytes) -> int:
        """The slot that this scope used last if it is free, else the one that has been free longest."""
        for slot in reversed(self._free):
            if scope and self._last_scope.get(slot) == scope:
                self._free.remove(slot)
                return slot
        return self._free.popleft()
