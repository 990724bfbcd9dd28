"""How a connection that is over comes to its end, whatever its peer does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tallystick_shared import limits

PATIENCE = limits.FAREWELL.value


class Farewell:
    """What is left to say may be read, as long as it is read; then, or once nothing more is, the socket is severed."""

    def __init__(self, left: Callable[[], int], sever: Callable[[], None]) -> None:
        """`left` tells how many bytes are not read yet."""
        self._left, self._sever = left, sever
        self._begun = False

    def begin(self) -> None:
        """May be called again: it goes on."""
        if not self._begun:
            self._begun = True
            self._wait()

    def _wait(self) -> None:
        asyncio.get_running_loop().call_later(PATIENCE, self._look, self._left())

    def _look(self, before: int) -> None:
        if 0 < self._left() < before:
            self._wait()
        else:
            self._sever()
