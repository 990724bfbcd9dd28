"""One timer for all sessions of the process: a heap of deadlines and a single pending wake-up."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

SPARE = 64


class Ticking(Protocol):
    """Something that wants to hear of time passing."""

    def tick(self, now: float) -> None:
        """Its deadline has come; `now` is the loop's clock in seconds."""


class Timer(Protocol):
    """A wake-up that was asked for."""

    def when(self) -> float: ...

    def cancel(self) -> None: ...


class Clock(Protocol):
    """What an event loop is to the ticker."""

    def time(self) -> float:
        """Seconds of a clock that never goes back."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Calls once, at that time or as soon after it as can be."""


class Ticker:
    """Calls `tick` when a deadline comes. A member has one deadline at a time; asking again replaces it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Ticking]] = []
        self._wanted: dict[Ticking, tuple[float, int]] = {}
        self._order = itertools.count()
        self._wake: Timer | None = None

    def now(self) -> float:
        return self._clock.time()

    def want(self, member: Ticking, deadline: float | None) -> None:
        """Sets a member's deadline; None takes it away."""
        held = self._wanted.get(member)
        if deadline is None:
            self._wanted.pop(member, None)
        elif held is None or held[0] != deadline:
            entry = (deadline, next(self._order))
            self._wanted[member] = entry
            heapq.heappush(self._heap, (*entry, member))
            if len(self._heap) > 2 * len(self._wanted) + SPARE:
                self._tidy()
            self._arm()

    def _tidy(self) -> None:
        """Deadlines that were replaced lie in the heap until their time; many of them are taken out at once."""
        self._heap = [(*entry, member) for member, entry in self._wanted.items()]
        heapq.heapify(self._heap)

    def _arm(self) -> None:
        """Wakes at the first deadline; one that was replaced costs an idle wake-up at the most."""
        if not self._heap:
            return
        first = self._heap[0][0]
        if self._wake is not None:
            if self._wake.when() <= first:
                return
            self._wake.cancel()
        self._wake = self._clock.call_at(first, self._fire)

    def _fire(self) -> None:
        self._wake = None
        now = self._clock.time()
        while self._heap and self._heap[0][0] <= now:
            deadline, order, member = heapq.heappop(self._heap)
            if self._wanted.get(member) == (deadline, order):
                del self._wanted[member]
                member.tick(now)
        self._arm()

    def close(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._heap.clear()
        self._wanted.clear()
