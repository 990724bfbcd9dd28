"""How many strangers may be connected, and how many may shake hands: per address, per neighbourhood, in all.

A connection is a stranger from its first moment, when it is no more than a TCP socket, until its channel is accepted or
its socket is gone. Where there is no room the oldest stranger of that group goes, never the newest, so that somebody
who holds sockets open cannot keep others out. Whoever shows a ticket, which only proven channels get, leaves the
strangers for a pool of its own: no crowd of them can drive it out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tallystick_shared import limits
from tallystick_shared.errors import Code, PeerError

from .addresses import groups_of
from .rates import Bucket, Meter, Rate

HOLDERS = "holders of a ticket"
OF_ONE = Rate(limits.HANDSHAKE_BURST.value, limits.HANDSHAKES_PER_ADDRESS.value)
OF_ALL = Rate(limits.HANDSHAKES.value, limits.HANDSHAKES.value)


@dataclass(eq=False)
class Stranger:
    """A connection without a channel; `evict` ends it, as whoever holds it now would."""

    groups: tuple[str, ...]
    evict: Callable[[], None]


@dataclass(frozen=True)
class GateRules:
    """How many strangers for each address (IPv4, or /64), each neighbourhood (/24, or /48) and in all; how many who
    showed a ticket; how many handshakes for each address and in all.
    """

    per_address: int = limits.STRANGERS_PER_ADDRESS.value
    per_neighbourhood: int = limits.STRANGERS_PER_NEIGHBOURHOOD.value
    total: int = limits.STRANGERS.value
    holders: int = limits.TICKET_HOLDERS.value
    handshakes: Rate = OF_ONE
    handshakes_total: Rate = OF_ALL


class Gate:
    """Counts strangers and their handshakes."""

    def __init__(self, rules: GateRules | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, never going back."""
        self._rules = rules = rules or GateRules()
        self._strangers: dict[Stranger, None] = {}
        self._counts: dict[str, int] = {}
        self._clock = clock
        self._handshakes = Meter(rules.handshakes, None, clock, Code.TOO_MANY_CONNECTIONS)
        self._answers = Bucket(rules.handshakes_total, clock())

    def __len__(self) -> int:
        return len(self._strangers)

    def enter(self, address: str, evict: Callable[[], None]) -> Stranger:
        """A new connection. Where one of its groups is full, that group's oldest stranger is evicted."""
        rules, stranger = self._rules, Stranger((*groups_of(address), "all"), evict)
        self._seat(stranger, (rules.per_address, rules.per_neighbourhood, rules.total))
        return stranger

    def know(self, stranger: Stranger) -> None:
        """It showed a ticket: it has a place beside strangers from now on, in a pool of its own. Where that is full,
        the oldest in it is evicted.
        """
        if stranger in self._strangers:
            self.leave(stranger)
            stranger.groups = (HOLDERS,)
            self._seat(stranger, (self._rules.holders,))

    def _seat(self, stranger: Stranger, most: tuple[int, ...]) -> None:
        for group, limit in zip(stranger.groups, most, strict=True):
            if self._counts.get(group, 0) >= limit:
                oldest = next(other for other in self._strangers if group in other.groups)
                self.leave(oldest)
                oldest.evict()
        self._strangers[stranger] = None
        for group in stranger.groups:
            self._counts[group] = self._counts.get(group, 0) + 1

    def leave(self, stranger: Stranger) -> None:
        """The connection is gone, or is no stranger any more. May be called twice."""
        if stranger not in self._strangers:
            return
        del self._strangers[stranger]
        for group in stranger.groups:
            self._counts[group] -= 1
            if not self._counts[group]:
                del self._counts[group]

    def shake(self, address: str) -> None:
        """One more handshake of an address, before its first message is opened. Raises PeerError
        TOO_MANY_CONNECTIONS.
        """
        self._handshakes.take(address)

    def answer(self, holder: bool) -> None:
        """One more handshake in all, before it is answered, which costs most of it; who showed a ticket is not
        counted. Raises PeerError TOO_MANY_CONNECTIONS.
        """
        if holder:
            return
        if self._answers.left(self._clock()) < 1:
            raise PeerError(Code.TOO_MANY_CONNECTIONS)
        self._answers.take()
