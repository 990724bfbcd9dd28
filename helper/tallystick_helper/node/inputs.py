"""How much memory the inputs of all requests may take, whoever brings them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tallystick_shared import limits
from tallystick_shared.errors import Code, PeerError

RETRY_MS = 1000


@dataclass(eq=False)
class Room:
    """So many bytes of it, taken by one request of that channel; `evict` gives the request up while its input is not
    whole.
    """

    channel_id: bytes
    size: int
    evict: Callable[[], None]
    whole: bool = False


class Inputs:
    """One budget of the node, in bytes. A request takes as much as its OPEN says, before more of it may come than one
    window, and gives it back when it is over. Where there is none left, an input goes that is not whole yet, the oldest
    of the channel that holds most: room that is only held, and never filled, keeps nobody out, and whoever opens many
    requests crowds out its own.
    """

    def __init__(self, most: int = limits.INPUTS.value) -> None:
        self._most = most
        self._taken: dict[Room, None] = {}

    @property
    def taken(self) -> int:
        return sum(room.size for room in self._taken)

    @contextmanager
    def room(self, channel_id: bytes, size: int, evict: Callable[[], None]) -> Iterator[Room]:
        """For this long. Raises PeerError BUSY where all of it is taken by inputs that are whole, or this channel would
        hold the most of all with it.
        """
        whole = sum(room.size for room in self._taken if room.whole)
        if whole + size > self._most:
            raise PeerError(Code.BUSY, retry_after_ms=RETRY_MS)
        mine = Room(channel_id, size, evict)
        self._taken[mine] = None
        try:
            while self.taken > self._most:
                self._evict(mine)
            yield mine
        finally:
            self._taken.pop(mine, None)

    def _evict(self, newest: Room) -> None:
        """One that is not whole goes, of the channel that holds most; the newest only where its channel has no other.
        Raises PeerError BUSY then.
        """
        held: Counter[bytes] = Counter()
        for room in self._taken:
            held[room.channel_id] += room.size
        oldest = max((room for room in self._taken if not room.whole), key=lambda room: held[room.channel_id])
        if oldest is newest:
            raise PeerError(Code.BUSY, retry_after_ms=RETRY_MS)
        del self._taken[oldest]
        oldest.evict()
