"""One-use tickets: who proved a channel lately is known again before it proves one.

AUTH_OK gives a few of them; message 1's encrypted payload has room for one. Whoever shows one is let in
beside strangers. A ticket is 32 random bytes and says nothing; a client shows it for the channel that it came from and
for no other, so the provider learns nothing from it that AUTH would not tell it a moment later.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from tallystick_shared.crypto import Crypto

SIZE = 32
NO_TICKET = bytes(SIZE)
COUNT = 2
LIFETIME = 6 * 3600.0
PER_CHANNEL = 8
MOST = 65_536


class TicketBook:
    """The tickets that a node gave out, in memory only. Bounded: for each channel, so that nobody can hoard them, and
    in all; the oldest go first.
    """

    def __init__(self, crypto: Crypto, *, most: int = MOST, lifetime: float = LIFETIME) -> None:
        self._crypto = crypto
        self._most, self._lifetime = most, lifetime
        self._tickets: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._channels: dict[bytes, deque[bytes]] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def issue(self, channel_id: bytes, now: float) -> tuple[bytes, ...]:
        """New tickets for somebody who proved this channel. `now` is any clock in seconds that never goes back."""
        made = tuple(self._crypto.random(SIZE) for _ in range(COUNT))
        held = self._channels.setdefault(channel_id, deque())
        for ticket in made:
            self._tickets[ticket] = (channel_id, now + self._lifetime)
            held.append(ticket)
        while len(held) > PER_CHANNEL:
            self._drop(held[0])
        while len(self._tickets) > self._most or self._expired(now):
            self._drop(next(iter(self._tickets)))
        return made

    def spend(self, ticket: bytes, now: float) -> bool:
        """Is this a ticket of ours that nobody showed yet? It is none afterwards."""
        found = self._tickets.get(ticket)
        if found is None:
            return False
        self._drop(ticket)
        return now < found[1]

    def _expired(self, now: float) -> bool:
        return bool(self._tickets) and next(iter(self._tickets.values()))[1] <= now

    def _drop(self, ticket: bytes) -> None:
        channel_id, _ = self._tickets.pop(ticket)
        held = self._channels[channel_id]
        held.remove(ticket)
        if not held:
            del self._channels[channel_id]
