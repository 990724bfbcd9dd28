"""Slots and the bounded queue before them.

Scopes (channels) take turns: whoever waits is served round robin by scope, and within a scope first come, first served.
So a channel that asks ten times at once delays another by one request, not by ten; and it may hold no more than half
of the queue. A place is taken the moment that `reserve` returns, so there is no gap between asking and entering; when
neither a slot nor a place in the queue is left, the refusal says when to come back. Only who is charged already may
wait beyond the queue's places.

What is free comes after all of them: it gets a slot that nobody waits for, a few may wait for one, and the newest gives
its slot up as soon as somebody who pays waits. Whoever pays sees nothing of it, in no figure of the load.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tallystick_shared.errors import Code, LocalError

_MIN_RETRY_MS = 250
_MAX_RETRY_MS = 30_000
_FREE_QUEUE = 4


@dataclass(frozen=True, slots=True)
class Load:
    """How full an engine is. `wait_ms` is how long a newcomer is likely to wait for a slot."""

    slots: int
    queue: int
    running: int
    waiting: int
    wait_ms: int = field(default=0, compare=False)
    guests: int = field(default=0, compare=False)
    """Those that pay nothing, running or waiting: in none of the other counts."""

    @property
    def place(self) -> int:
        """The place in the queue of whoever came now, at most; 0 where a slot is free."""
        return self.waiting + 1 if self.waiting or self.running >= self.slots else 0

    def __add__(self, other: Load) -> Load:
        """Both together; who comes may choose the emptier one."""
        return Load(
            self.slots + other.slots,
            self.queue + other.queue,
            self.running + other.running,
            self.waiting + other.waiting,
            min(self.wait_ms, other.wait_ms),
            self.guests + other.guests,
        )


class Ticket:
    """A slot, or a place in the queue. `slot()` waits for the slot; `release()` gives it back, and may be called at
    any time and twice.
    """

    def __init__(self, slots: Slots, scope: bytes, *, free: bool = False) -> None:
        self.scope, self.free = scope, free
        self.give_way: Callable[[], object] | None = None
        """Set by whoever has it, where it is free: asked once to release it soon."""
        self.warm = False
        """True where the slot's last user was of the same scope."""
        self._slots = slots
        self._slot: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def slot(self) -> int:
        """The slot's number. Raises asyncio.CancelledError where the ticket was released before its turn."""
        return await self._slot

    @property
    def place(self) -> int:
        """Its turn among those who wait, 1 for the next; 0 once it has a slot."""
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
        self._turns: dict[bytes, deque[Ticket]] = {}
        """Who waits and pays, by scope; the scope whose turn is next comes first."""
        self._guests: deque[Ticket] = deque()
        """Who waits and does not pay."""
        self._leaving: set[Ticket] = set()
        """Those without a price that were asked to give way."""
        self._mean_hold = 2.0

    @property
    def _waiting(self) -> int:
        return sum(map(len, self._turns.values()))

    def load(self) -> Load:
        waiting = self._waiting
        running = len(self._running) - len(self._yielding)
        wait = 0 if running < self._size and not waiting else self._wait_ms(waiting + 1)
        return Load(self._size, self._queue, running, waiting, wait, len(self._yielding) + len(self._guests))

    @property
    def _yielding(self) -> list[Ticket]:
        """Those in a slot that give it up to anybody who pays, the newest last."""
        return [ticket for ticket in self._running if ticket.free]

    def full(self, scope: bytes = b"") -> bool:
        """Would `reserve` refuse whoever is not charged yet?"""
        if len(self._free) + len(self._yielding) > self._waiting:
            return False
        mine = len(self._turns.get(scope, ())) if scope else 0
        return self._waiting >= self._queue or mine >= max(1, self._queue // 2)

    def place(self, ticket: Ticket) -> int:
        for place, waiting in enumerate(self._in_order(), 1):
            if waiting is ticket:
                return place
        return 0

    def _in_order(self) -> Iterator[Ticket]:
        turns = [list(tickets) for tickets in self._turns.values()]
        for round_ in range(max(map(len, turns), default=0)):
            for tickets in turns:
                if round_ < len(tickets):
                    yield tickets[round_]
        yield from self._guests

    def _wait_ms(self, place: int) -> int:
        """The mean time that a slot was held, shared among the slots, for each who goes before."""
        return int(min(self._mean_hold * 1000 / self._size * max(1, place), _MAX_RETRY_MS))

    def retry_after_ms(self) -> int:
        """When a place is likely to be free."""
        return max(self._wait_ms(self._waiting), _MIN_RETRY_MS)

    def reserve(self, scope: bytes = b"", *, charged: bool = False, free: bool = False) -> Ticket:
        """A ticket. Raises LocalError BUSY with `retry_after_ms`, but never for what is charged already."""
        full = self._waiting > 0 or len(self._guests) >= _FREE_QUEUE if free else self.full(scope) and not charged
        if full:
            raise LocalError(Code.BUSY, retry_after_ms=self.retry_after_ms())
        ticket = Ticket(self, scope, free=free)
        if free:
            self._guests.append(ticket)
        else:
            self._turns.setdefault(scope, deque()).append(ticket)
        self._serve()
        self._make_way()
        return ticket

    def _make_way(self) -> None:
        """As many of those that do not pay are asked to go as wait and do; the newest first."""
        for ticket in reversed(self._yielding):
            if len(self._leaving) >= self._waiting:
                return
            if ticket not in self._leaving:
                self._leaving.add(ticket)
                if ticket.give_way is not None:
                    ticket.give_way()

    def release(self, ticket: Ticket) -> None:
        if ticket in self._running:
            slot, since = self._running.pop(ticket)
            self._leaving.discard(ticket)
            if not ticket.free:
                self._mean_hold += 0.2 * (self._clock() - since - self._mean_hold)
            self._free.append(slot)
            self._serve()
        elif ticket in self._guests:
            self._guests.remove(ticket)
            ticket._slot.cancel()
        elif ticket in (tickets := self._turns.get(ticket.scope, deque())):
            tickets.remove(ticket)
            if not tickets:
                del self._turns[ticket.scope]
            ticket._slot.cancel()

    def _serve(self) -> None:
        while self._free and (self._turns or self._guests):
            ticket = self._next() if self._turns else self._guests.popleft()
            if ticket._slot.cancelled():  # its owner was cancelled while it waited, and has not released it yet
                continue
            slot = self._choose(ticket.scope)
            ticket.warm = bool(ticket.scope) and self._last_scope.get(slot) == ticket.scope
            self._last_scope[slot] = ticket.scope
            self._running[ticket] = (slot, self._clock())
            ticket._slot.set_result(slot)

    def _next(self) -> Ticket:
        """Whose turn it is. Its scope goes to the end of the round."""
        scope = next(iter(self._turns))
        tickets = self._turns.pop(scope)
        ticket = tickets.popleft()
        if tickets:
            self._turns[scope] = tickets
        return ticket

    def _choose(self, scope: bytes) -> int:
        """The slot that this scope used last if it is free, else one that holds nothing that any scope would come back
        for, else the one that has been free longest.
        """
        for slot in reversed(self._free):
            if scope and self._last_scope.get(slot) == scope:
                self._free.remove(slot)
                return slot
        slot = next((slot for slot in self._free if not self._last_scope.get(slot)), self._free[0])
        self._free.remove(slot)
        return slot
