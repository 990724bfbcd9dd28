"""Streams whose connection broke: they wait in memory for RESUME, for a while and within bounds.

One shelf serves all connections of a node. It knows by channel and request id where every stream is: on a connection,
or here. What was sent and not acknowledged is kept to be sent again; the engine may go on until it has used the credit
window or its slot's seconds. Whatever there is no room or no time for is settled and overwritten, oldest first. Nothing
of it is ever written to a disk. Rule 7 of section 5 of the protocol.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from tallystick_shared import limits
from tallystick_shared.errors import TallystickError
from tallystick_shared.money import Account

from .provider_stream import ProviderStream
from .tables import StreamState

REMEMBERED = 1024
Key = tuple[bytes, bytes]
"""Channel id and request id."""


@dataclass(frozen=True)
class ShelfLimits:
    """Bytes of one stream, streams of one channel, bytes in all; seconds that a stream is kept, and that its engine
    keeps its slot.
    """

    stream_bytes: int = limits.KEPT_BYTES.value
    channel_streams: int = limits.KEPT_STREAMS.value
    total_bytes: int = limits.KEPT_IN_ALL.value
    seconds: float = limits.KEPT_TIME.value
    slot_seconds: float = limits.KEPT_SLOT.value


@dataclass(frozen=True)
class ShelfStopped:
    """The engine's work on this stream is no longer wanted."""

    channel_id: bytes
    request_id: bytes


@dataclass(frozen=True)
class ShelfEnded:
    """It is kept no longer. `settled`: it was running until now, and this is what it came to."""

    channel_id: bytes
    request_id: bytes
    finish: str
    units: int
    amount: int
    settled: bool


class Holder(Protocol):
    """A connection that has streams."""

    def release(self, number: int) -> ProviderStream | None:
        """Gives a stream up to another connection; None where it had not been accepted yet, so that it is over."""


@dataclass
class Kept:
    held: ProviderStream
    account: Account
    since: float


class Shelf:
    """`now` is the clock of the sessions, in seconds."""

    def __init__(self, bounds: ShelfLimits | None = None) -> None:
        self.limits = bounds or ShelfLimits()
        self._live: dict[Key, tuple[Holder, int]] = {}
        self._streams: dict[Key, ProviderStream] = {}
        self._ended: dict[Key, int] = {}
        """Those on a connection that are over and not acknowledged, oldest first: bytes that they held at their end."""
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._past: OrderedDict[Key, int] = OrderedDict()
        self._events: list[ShelfStopped | ShelfEnded] = []

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes of output that are kept, those of ended streams on connections too."""
        return sum(kept.held.size for kept in self._kept.values()) + sum(self._ended.values())

    def events(self) -> list[ShelfStopped | ShelfEnded]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # -- where streams are

    def enter(self, key: Key, held: ProviderStream, holder: Holder, number: int) -> None:
        """The stream is on this connection now."""
        self._live[key], self._streams[key] = (holder, number), held

    def leave(self, key: Key, held: ProviderStream) -> None:
        """The stream is not on a connection any longer."""
        if self._streams.get(key) is held:
            del self._live[key], self._streams[key]
            self._ended.pop(key, None)

    def ended(self, key: Key, held: ProviderStream) -> None:
        """The stream is over, and stays on its connection until its client acknowledges it: within the same bounds as
        those that are kept here.
        """
        if self._streams.get(key) is not held:
            return
        self._ended[key] = held.size
        mine = [other for other in self._ended if other[0] == key[0]]
        for other in mine[: max(0, len(mine) - self.limits.channel_streams)]:
            self._forget(other)
        self._trim()

    def _forget(self, key: Key) -> None:
        """An ended stream that nobody acknowledges: whoever asks for it is told that it is gone, and what it cost."""
        held = self._streams[key]
        self.leave(key, held)
        self.remember(key, held.cost)
        held.forget()

    def _trim(self) -> None:
        """Within the bytes of all: first goes what its client most likely has."""
        while self._ended and self.size > self.limits.total_bytes:
            self._forget(next(iter(self._ended)))
        while self._kept and self.size > self.limits.total_bytes:
            self._wipe(next(iter(self._kept)), "lost")

    def find(self, key: Key) -> ProviderStream | None:
        """A stream, wherever it is."""
        kept = self._kept.get(key)
        return kept.held if kept else self._streams.get(key)

    def is_on(self, key: Key, holder: Holder) -> bool:
        return key in self._live and self._live[key][0] is holder

    def take(self, key: Key) -> ProviderStream | None:
        """The stream, taken from wherever it was; None where there is none, or it was not accepted yet."""
        if key in self._live:
            holder, number = self._live.pop(key)
            del self._streams[key]
            self._ended.pop(key, None)
            return holder.release(number)
        kept = self._kept.pop(key, None)
        return kept.held if kept else None

    def past(self, key: Key) -> int:
        """What a stream came to that is gone; 0 where that is not known any more."""
        return self._past.get(key, 0)

    def remember(self, key: Key, cost: int) -> None:
        """A stream is gone that came to so much: whoever asks for it is told."""
        self._past[key] = cost
        while len(self._past) > REMEMBERED:
            self._past.popitem(last=False)

    def holds(self, channel_id: bytes) -> bool:
        """Is any stream of this channel kept?"""
        return any(key[0] == channel_id for key in self._kept)

    # -- keeping

    def put(self, key: Key, held: ProviderStream, account: Account, now: float) -> None:
        """Keeps a stream, if need be in place of the oldest."""
        self._kept[key] = Kept(held, account, now)
        if not self._fits(held):
            self._wipe(key, "lost")
        mine = [other for other in self._kept if other[0] == key[0]]
        for other in mine[: max(0, len(mine) - self.limits.channel_streams)]:
            self._wipe(other, "lost")
        self._trim()

    def fed(self, key: Key) -> None:
        """The engine made more for a stream that is kept: may it go on? What was made for all that are kept of its
        channel uses up one window, not one each.
        """
        kept = self._kept.get(key)
        if kept is None or not kept.held.started or kept.held.finish:
            return
        account, held = kept.account, kept.held
        made = account.owed + sum(self._ahead(other, kept) for other, kept in self._kept.items() if other[0] == key[0])
        within = made <= account.cap and made - account.durable <= account.window
        if not (within and account.allows(key[1], held.queued_units) and self._fits(held)):
            self._interrupt(key, held)

    def used_up(self, key: Key) -> None:
        """Its engine would go beyond the window, and is not let: its slot is free for others."""
        kept = self._kept.get(key)
        if kept is not None and kept.held.started and not kept.held.finish:
            self._interrupt(key, kept.held)

    def _ahead(self, key: Key, kept: Kept) -> int:
        """The price of what its engine made and nobody was sent."""
        if not kept.held.started or not kept.held.pending:
            return 0
        return kept.account.owed_with(key[1], kept.held.queued_units) - kept.account.owed

    def _fits(self, held: ProviderStream) -> bool:
        return held.size <= self.limits.stream_bytes

    def fail(self, key: Key, error: TallystickError, retry_after_ms: int) -> None:
        """Its engine gave up; whoever resumes it is told so."""
        kept = self._kept.get(key)
        if kept is not None and kept.held.started:
            kept.held.drop_pending()
            kept.held.failure = (error, retry_after_ms)

    # -- time and the end

    def tick(self, now: float) -> None:
        """Slots are given back and streams given up whose time is over."""
        for key, kept in list(self._kept.items()):
            if now - kept.since >= self.limits.seconds:
                self._wipe(key, "lost")
            elif now - kept.since >= self.limits.slot_seconds and kept.held.started and not kept.held.finish:
                self._interrupt(key, kept.held)

    def next_deadline(self) -> float | None:
        """When `tick` is wanted next."""
        if not self._kept:
            return None
        running = [kept for kept in self._kept.values() if kept.held.started and not kept.held.finish]
        ends = [min(kept.since for kept in self._kept.values()) + self.limits.seconds]
        return min(ends + [kept.since + self.limits.slot_seconds for kept in running])

    def end_channel(self, channel_id: bytes) -> None:
        """Nothing more is served on this channel."""
        for key in [key for key in self._kept if key[0] == channel_id]:
            self._wipe(key, "cancelled")

    def close(self) -> None:
        """The node stops: everything is settled and overwritten."""
        for key in list(self._kept):
            self._wipe(key, "lost")

    def _interrupt(self, key: Key, held: ProviderStream) -> None:
        held.finish = "interrupted"
        self._events.append(ShelfStopped(*key))

    def _wipe(self, key: Key, finish: str) -> None:
        kept = self._kept.pop(key)
        held, settled = kept.held, kept.held.started
        if settled:
            held.cost = kept.account.finish(key[1])
            self._events.append(ShelfStopped(*key))
        self.remember(key, held.cost)
        held.forget()
        held.state = StreamState.FAILED
        self._events.append(ShelfEnded(*key, held.finish or finish, held.units, held.cost, settled))
