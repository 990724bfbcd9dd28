"""A run that waits for its model: it passes on what the run of the loaded engine gives, and what its reader says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from tallystick_shared.errors import Code, LocalError

from .run import Run
from .seat import Engine, Finish, Reason, Task
from .slots import Ticket

Loaded = Callable[[], AbstractAsyncContextManager[Engine]]
"""Gives the engine, loaded, for as long as the block lasts."""


class Relay(Run):
    """`task` is taken for charged by the engine: its place was reserved here."""

    def __init__(self, ticket: Ticket, loaded: Loaded, task: Task) -> None:
        self._loaded, self._task = loaded, task
        self._inner: Run | None = None
        super().__init__(ticket, lambda run, slot: self._pass_on())

    @property
    def warm(self) -> bool:
        return self._inner is not None and self._inner.warm

    def look(self) -> None:
        super().look()
        if self._inner is not None:
            self._inner.look()

    async def _pass_on(self) -> Reason:
        with self.interruptible():
            async with self._loaded() as engine, engine.run(self._task) as inner:
                self._inner, inner.gate = inner, self._may_make
                return await self._read(aiter(inner))

    def _may_make(self, units: int) -> bool:
        assert self._inner is not None
        self.made = self._inner.made
        return self.gate is None or self.gate(units)

    async def _read(self, events: AsyncIterator[object]) -> Reason:
        assert self._inner is not None
        async for event in events:
            if isinstance(event, Finish):
                if event.error is not None:
                    raise event.error
                return event.reason
            self.emit(event)  # type: ignore[arg-type]
            self.made = self._inner.made
        raise LocalError(Code.ENGINE_FAILED, kind="a run without a finish")
