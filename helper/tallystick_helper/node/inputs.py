"""How much memory the inputs of all requests may take, whoever brings them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tallystick_shared import limits
from tallystick_shared.errors import Code, PeerError

RETRY_MS = 1000


@dataclass(eq=False)
class Room:
    """So many bytes of it, taken by one request; `evict` gives the request up while its input is not whole."""

    size: int
    evict: Callable[[], None]
    whole: bool = False


class Inputs:
    """One budget of the node, in bytes. A request takes as much as its OPEN says, before more of it may come than one
    window, and gives it back when it is over. Where there is none left, the oldest goes whose input is not whole yet:
    room that is only held, and never filled, keeps nobody out.
    """

    def __init__(self, most: int = limits.INPUTS.value) -> None:
        self._most = most
        self._taken: dict[Room, None] = {}

    @property
    def taken(self) -> int:
        return sum(room.size for room in self._taken)

    @contextmanager
    def room(self, size: int, evict: Callable[[], None]) -> Iterator[Room]:
        """For this long. Raises PeerError BUSY where all of it is taken by inputs that are whole."""
        whole = sum(room.size for room in self._taken if room.whole)
        if whole + size > self._most:
            raise PeerError(Code.BUSY, retry_after_ms=RETRY_MS)
        while self.taken + size > self._most:
            oldest = next(room for room in self._taken if not room.whole)
            del self._taken[oldest]
            oldest.evict()
        mine = Room(size, evict)
        self._taken[mine] = None
        try:
            yield mine
        finally:
            self._taken.pop(mine, None)
