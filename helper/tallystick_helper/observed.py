"""An engine seen from outside: it does what the one inside does, and tells the figures of it. No word of a prompt or
an answer is looked at.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tallystick_shared.errors import Code, TallystickError

from .engines import Capabilities, Engine, Event, Finish, Load, Reason, Run, Task
from .engines.door import held

REMEMBERED = 1024
"""Counted inputs whose run has not begun yet."""


class Watcher(Protocol):
    """Who keeps the figures. `able` is always one of the engine's own models."""

    def began(self, able: Capabilities, units: int) -> None:
        """A request of so many input units was taken."""

    def first(self, able: Capabilities, seconds: float) -> None:
        """Its first output came so long after."""

    def made(self, able: Capabilities, units: int) -> None:
        """So many output units more."""

    def ended(self, able: Capabilities, finish: str, units: int, seconds: float) -> None:
        """It ended with so many units, so long after its first output."""

    def failed(self, able: Capabilities, code: Code) -> None:
        """It was refused, or broke."""


class Observed:
    """Fills the engine seat. What else the engine inside has is reached as before."""

    def __init__(self, engine: Engine, watcher: Watcher, clock: Callable[[], float] = time.monotonic) -> None:
        self.inner, self._watcher, self._clock = engine, watcher, clock
        self._counted: OrderedDict[tuple[bytes, int], int] = OrderedDict()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @contextmanager
    def hold(self) -> Iterator[Observed]:
        """The engine inside as it is now, seen by the same watcher."""
        with held(self.inner) as inner:
            yield Observed(inner, self._watcher, self._clock)

    def capabilities(self) -> Capabilities:
        return self.inner.capabilities()

    def models(self) -> tuple[Capabilities, ...]:
        return self.inner.models()

    def load(self, model: str = "") -> Load:
        return self.inner.load(model)

    def busy(self, model: str = "", scope: bytes = b"") -> bool:
        """Asked right before a request would be refused, so a yes is counted as that."""
        full = self.inner.busy(model, scope)
        if full:
            self._watcher.failed(self._named(model), Code.BUSY)
        return full

    async def close(self) -> None:
        await self.inner.close()

    async def count(self, task: Task) -> int:
        try:
            units = await self.inner.count(task)
        except TallystickError as error:
            self._failed(task, error)
            raise
        self._counted[_mark(task)] = units
        if len(self._counted) > REMEMBERED:
            self._counted.popitem(last=False)
        return units

    def run(self, task: Task) -> Run:
        try:
            run = self.inner.run(task)
        except TallystickError as error:
            self._failed(task, error)
            raise
        able = self._named(task.model)
        self._watcher.began(able, self._counted.pop(_mark(task), 0))
        seen = _Seen(able, run, self._watcher, self._clock)
        run.watch = seen.event
        run.when_over(seen.over)
        return run

    def _named(self, model: str) -> Capabilities:
        return next((able for able in self.models() if able.model == model), self.capabilities())

    def _failed(self, task: Task, error: TallystickError) -> None:
        self._watcher.failed(self._named(task.model), error.code)


class _Seen:
    """One run."""

    def __init__(self, able: Capabilities, run: Run, watcher: Watcher, clock: Callable[[], float]) -> None:
        self._able, self._run, self._watcher, self._clock = able, run, watcher, clock
        self._began = clock()
        self._first: float | None = None
        self._ended = False

    def event(self, event: Event) -> None:
        now = self._clock()
        if isinstance(event, Finish):
            self._end(event.reason, event.units, event.error)
            return
        if self._first is None:
            self._first = now
            self._watcher.first(self._able, now - self._began)
        self._watcher.made(self._able, event.units)

    def over(self) -> None:
        """Its slot is free. Who cancelled it may never read how it ended."""
        if self._run.cancelled:
            self._end(Reason.CANCELLED, self._run.units, None)

    def _end(self, reason: Reason, units: int, error: TallystickError | None) -> None:
        if self._ended:
            return
        self._ended = True
        if error is not None:
            self._watcher.failed(self._able, error.code)
        seconds = self._clock() - self._first if self._first is not None else 0.0
        self._watcher.ended(self._able, reason.value, units, seconds)


def _mark(task: Task) -> tuple[bytes, int]:
    """Tells a task again between its count and its run; not the input itself, which is not kept."""
    return task.scope, hash((task.model, task.params, task.input))
