"""One task under way: the part of a run that is the same for every engine.

An engine hands in a ticket and a function that does the work; the run waits for the slot, gives out pieces, counts
their units, and sees to it that the slot is free again however it ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from tallystick_shared.errors import Code, LocalError, TallystickError

from .events import Event, Finish, Piece, Reason
from .slots import Ticket

Work = Callable[["Run", int], Awaitable[Reason]]
"""Does the task on the slot of this number: calls `emit`, looks at `cancelled`, returns why it ended. Raises
TallystickError.
"""


class Run:
    """An async iterator of pieces and one finish.

    `cancel()` may be called from any task of the loop: from that moment no further piece is given out, and the finish
    comes once the slot is free. `aclose()` cancels and waits for that. Output that nobody reads is kept in memory; it
    is bounded by the task's `max_units`.
    """

    def __init__(self, ticket: Ticket, work: Work) -> None:
        self.units = 0
        """Units of the pieces given out so far."""
        self._ticket = ticket
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._stopped = threading.Event()
        self._woken = asyncio.Event()
        self._finished = False
        self._driver = self._loop.create_task(self._drive())

    @property
    def place(self) -> int:
        """The place in the queue; 0 where it runs."""
        return self._ticket.place

    @property
    def warm(self) -> bool:
        """True where the slot still holds what the same scope computed last."""
        return self._ticket.warm

    @property
    def cancelled(self) -> bool:
        """Read by the engine, from any thread: stop as soon as you can."""
        return self._stopped.is_set()

    def emit(self, piece: Piece) -> None:
        """Called by the engine, from any thread."""
        if self.cancelled:
            return
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, piece)
        except RuntimeError:  # the loop was closed under us
            self._stopped.set()

    async def pause(self, seconds: float) -> None:
        """For engines that live on the loop: wait, but no longer than until the run is cancelled. Always yields to
        the loop.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), max(seconds, 0.0)) if seconds > 0 else await asyncio.sleep(0)

    def cancel(self) -> None:
        """Stop. No piece is given out after this returns."""
        self._stopped.set()
        self._woken.set()
        if self._ticket.place:
            self._ticket.release()

    async def aclose(self) -> None:
        """Stop, and wait until the slot is free."""
        self.cancel()
        await asyncio.wait([self._driver])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._finished:
            raise StopAsyncIteration
        piece = await self._events.get()
        while piece is not None and self.cancelled:
            piece = await self._events.get()
        if piece is not None:
            self.units += piece.units
            return piece
        self._finished = True
        return self._finish()

    def _finish(self) -> Finish:
        reason, error = self._driver.result()
        return Finish(Reason.CANCELLED if self.cancelled and error is None else reason, self.units, error)

    async def _drive(self) -> tuple[Reason, TallystickError | None]:
        try:
            slot = await self._ticket.slot()
            return await self._work(self, slot), None
        except asyncio.CancelledError:
            self._stopped.set()
            return Reason.CANCELLED, None
        except TallystickError as error:
            return Reason.ERROR, error
        except Exception as error:
            failure = LocalError(Code.ENGINE_FAILED, kind=type(error).__name__)
            failure.__cause__ = error
            return Reason.ERROR, failure
        finally:
            self._ticket.release()
            # By a callback, so that it comes after pieces that a thread emitted, and after this task is done.
            self._loop.call_soon(self._events.put_nowait, None)
