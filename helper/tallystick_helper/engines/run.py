"""One task under way: the part of a run that is the same for every engine.

An engine hands in a ticket and a function that does the work; the run waits for the slot, gives out pieces, counts
their units, and sees to it that the slot is free again however it ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
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

    def __init__(self, ticket: Ticket, work: Work, seconds: float = 0.0) -> None:
        """`seconds` after it got its slot it ends with `TIME`; 0 for never."""
        self.units = 0
        """Units of the pieces given out so far."""
        self.made = 0
        """Units that the engine made so far, and those that it was let begin."""
        self.gate: Callable[[int], bool] | None = None
        """Set by whoever reads the run: may so many more units be made? Asked in the loop; `look` after it changed."""
        self.watch: Callable[[Event], None] | None = None
        """Sees each event as it is given out."""
        self._begun = 0
        self._opened = asyncio.Event()
        self._ticket = ticket
        ticket.give_way = self.give_way
        self._work = work
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._events: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._stopped = threading.Event()
        self._at_rest = False
        self._outcome: tuple[Reason, TallystickError | None] = (Reason.CANCELLED, None)
        self._finished = False
        self._seconds = seconds
        self._late: Reason | None = None
        """Why it was ended early, where what was made until then is still given out."""
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
        self.made += piece.units - self._begun
        self._begun = 0
        if threading.get_ident() == self._thread:  # waking a loop that is awake costs a system call for each piece
            self._events.put_nowait(piece)
            return
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, piece)
        except RuntimeError:  # the loop was closed under us
            self._stopped.set()

    async def room(self, units: int = 1) -> None:
        """For engines, before they make so many units: waits until the gate is open. Raises asyncio.CancelledError
        after a cancel. An engine that cannot be held up between units does without.
        """
        with self.interruptible():
            while self.gate is not None and not self.gate(units):
                self._opened.clear()
                await self._opened.wait()
        self._begun = units
        self.made += units

    def look(self) -> None:
        """The gate may be open by now."""
        self._opened.set()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """For engines: around an await that a cancel may break off, which then raises asyncio.CancelledError there."""
        if self.cancelled:
            raise asyncio.CancelledError
        self._at_rest = True
        try:
            yield
        finally:
            self._at_rest = False

    def cancel(self) -> None:
        """Stop. No piece is given out after this returns."""
        self._late = None
        if not self.cancelled:
            self._stop()

    def give_way(self) -> None:
        """Its slot is wanted by somebody who pays: it ends with `GAVE_WAY`, and what was made is still given out."""
        self._end_early(Reason.GAVE_WAY)

    def _stop(self) -> None:
        self._stopped.set()
        if self._at_rest:
            self._driver.cancel()

    def when_over(self, call: Callable[[], object]) -> None:
        """`call` once its slot is free, in the loop."""
        self._driver.add_done_callback(lambda driver: call())

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
        while piece is not None and self.cancelled and not self._late:
            piece = await self._events.get()
        if piece is not None:
            self.units += piece.units
        else:
            self._finished = True
        event: Event = self._finish() if piece is None else piece
        if self.watch is not None:
            self.watch(event)
        return event

    def _finish(self) -> Finish:
        reason, error = self._outcome
        if self._late is not None:
            return Finish(self._late, self.units)
        return Finish(Reason.CANCELLED if self.cancelled and error is None else reason, self.units, error)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        timer = self._loop.call_later(self._seconds, self._expire) if self._seconds else None
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()

    def _expire(self) -> None:
        """Its time is over."""
        self._end_early(Reason.TIME)

    def _end_early(self, reason: Reason) -> None:
        if not self.cancelled:
            self._late = reason
            self._stop()

    async def _drive(self) -> None:
        try:
            with self.interruptible():
                slot = await self._ticket.slot()
            with self._limited():
                self._outcome = await self._work(self, slot), None
        except asyncio.CancelledError:
            self._stopped.set()
        except TallystickError as error:
            self._outcome = Reason.ERROR, error
        except Exception as error:
            failure = LocalError(Code.ENGINE_FAILED, kind=type(error).__name__)
            failure.__cause__ = error
            self._outcome = Reason.ERROR, failure
        finally:
            self._ticket.release()
            # By a callback, so that it comes after pieces that a thread emitted, and after this task is done.
            self._loop.call_soon(self._events.put_nowait, None)
