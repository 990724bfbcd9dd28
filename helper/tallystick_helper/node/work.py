"""What a connection hands to the work behind one of its streams, and how that is stopped, whoever asked for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..engines.seat import Run

if TYPE_CHECKING:
    from .connection import Connection


class Work:
    """One stream's work: `task` does it, and waits for the input and the grant as they come."""

    task: asyncio.Task[None]

    def __init__(self, connection: Connection, stream: int) -> None:
        loop = asyncio.get_running_loop()
        self.stream = stream
        self.connection: Connection | None = connection
        self._input: asyncio.Future[bytes] = loop.create_future()
        self._granted: asyncio.Future[int] = loop.create_future()
        self._run: Run | None = None
        self._stopped = False

    @property
    def given(self) -> bool:
        """Is its whole input here?"""
        return self._input.done()

    def give_input(self, data: bytes) -> None:
        """The whole input is here."""
        if not self._input.done():
            self._input.set_result(data)

    def grant(self, units: int) -> None:
        """It may start: at most so many units may be made."""
        if not self._granted.done():
            self._granted.set_result(units)

    def stop(self) -> None:
        """The work is not wanted any more: the engine is told at once."""
        self._stopped = True
        if self._run is not None:
            self._run.cancel()
        else:
            self.task.cancel()

    def abandon(self) -> None:
        """The stream is over: whatever this still waits for will not come."""
        if self._run is None and not self.task.done():
            self._stopped = True
            self._input.cancel()
            self._granted.cancel()

    def look(self) -> None:
        """Money came, or output left: the engine may go on."""
        if self._run is not None:
            self._run.look()
