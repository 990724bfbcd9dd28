"""One engine in front of another that can be changed while requests run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import structlog

from .seat import Capabilities, Engine, Load, Run, Task

REST = 0.25
log = structlog.get_logger(__name__)


@runtime_checkable
class Holding(Protocol):
    """An engine that may become another one."""

    def hold(self) -> AbstractContextManager[Engine]:
        """The one that it is now, kept open until the end: what was counted there is run there."""


def held(engine: Engine) -> AbstractContextManager[Engine]:
    """The engine as it is now, for as long as one request takes."""
    return engine.hold() if isinstance(engine, Holding) else nullcontext(engine)


@dataclass(eq=False)
class _Behind:
    """An engine, and how many requests it was promised to."""

    engine: Engine
    holders: int = 0


class Door:
    """Fills the engine seat with whichever engine stands behind it now. One that was replaced takes nothing new, and is
    closed once what it began, and what it is held for, is over.
    """

    def __init__(self, engine: Engine) -> None:
        self._behind = _Behind(engine)
        self._closing: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Any:
        """What else the engine has, as the figures of several models."""
        return getattr(self._engine, name)

    @property
    def _engine(self) -> Engine:
        return self._behind.engine

    def swap(self, engine: Engine) -> None:
        """From now on this one."""
        old, self._behind = self._behind, _Behind(engine)
        task = asyncio.create_task(_outlive(old))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    @contextmanager
    def hold(self) -> Iterator[Engine]:
        """The engine that stands behind it now, also after a `swap`."""
        behind = self._behind
        behind.holders += 1
        try:
            yield behind.engine
        finally:
            behind.holders -= 1

    def capabilities(self) -> Capabilities:
        return self._engine.capabilities()

    def models(self) -> tuple[Capabilities, ...]:
        return self._engine.models()

    async def count(self, task: Task) -> int:
        return await self._engine.count(task)

    def run(self, task: Task) -> Run:
        return self._engine.run(task)

    def load(self, model: str = "") -> Load:
        return self._engine.load(model)

    def busy(self, model: str = "", scope: bytes = b"") -> bool:
        return self._engine.busy(model, scope)

    async def close(self) -> None:
        """Also those that were replaced."""
        for task in list(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._engine.close()


async def _outlive(old: _Behind) -> None:
    """Closes it once it is idle, or at once where it is not waited for any more."""
    try:
        while True:
            load = old.engine.load()
            if not old.holders and not load.running and not load.waiting and not load.guests:
                break
            await asyncio.sleep(REST)
    finally:
        await asyncio.shield(asyncio.ensure_future(old.engine.close()))
