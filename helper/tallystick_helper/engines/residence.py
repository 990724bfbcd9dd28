"""Which of several models are in memory: loaded when somebody asks, unloaded when another needs the room or nobody has
asked for a while.

One model is loaded or unloaded at a time. A model that has to go takes nothing new, finishes what it runs and what
waits for it, and then goes; whoever asks for it meanwhile waits until it is loaded again, and then all who wait for it
go on together. Models that are wanted take turns, so two that are both wanted alternate, and none waits for ever.
Runs that nobody pays for hold none of this up: they give way when their model has to go, and do not count as its use.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from tallystick_shared.errors import Code, LocalError, TallystickError

from .fit import Memory, system_memory
from .run import Run
from .seat import Engine

HOLD = 2.0
"""Seconds for which a model stays after a task of it was counted: its run follows."""
_RETRY_MS = 15_000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Residence:
    """`loaded` models at once, 0 for as many as fit; unloaded after `idle` seconds without a request, 0 for never;
    `reserve` bytes of memory are left free.
    """

    loaded: int = 0
    idle: float = 0.0
    reserve: int = 256 << 20

    def __post_init__(self) -> None:
        if min(self.loaded, self.idle, self.reserve) < 0:
            raise LocalError(Code.BAD_SETTINGS, loaded=self.loaded, idle=self.idle, reserve=self.reserve)


@dataclass(eq=False)
class Resident:
    """A model that is in memory at times. `needs` tells how many bytes that takes, 0 where it is not known."""

    name: str
    open: Callable[[], Awaitable[Engine]]
    needs: Callable[[], int] = lambda: 0
    engine: Engine | None = None
    leaving: bool = False
    users: int = 0
    used_at: float = 0.0
    free: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while nobody uses it."""
    guests: set[Run] = field(default_factory=set)
    """Runs that nobody pays for, under way or waiting."""
    waiters: list[asyncio.Future[Engine]] = field(default_factory=list)
    bringing: asyncio.Task[None] | None = None
    opening: bool = False

    @property
    def state(self) -> str:
        """For people: `loaded`, `leaving`, `unloaded`."""
        if self.engine is None:
            return "unloaded"
        return "leaving" if self.leaving else "loaded"

    @property
    def ready(self) -> Engine | None:
        """The engine, where it takes requests now."""
        return None if self.leaving else self.engine


class Residences:
    """Loads and unloads. All methods are called on one event loop."""

    def __init__(self, rules: Residence, memory: Memory = system_memory) -> None:
        self._rules, self._memory = rules, memory
        self._turn = asyncio.Lock()
        self._there: list[Resident] = []
        self._timers: dict[Resident, asyncio.TimerHandle] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False
        self.swaps = 0
        """Models unloaded to make room for another."""

    async def enter(self, one: Resident) -> Engine:
        """The engine, loaded if need be, and kept until `leave`. Raises LocalError BUSY where there is no memory for
        it now, DRAINING, and what opening it raises.
        """
        if (engine := one.ready) is not None:
            self.use(one)
            return engine
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Engine] = loop.create_future()
        one.waiters.append(waiter)
        if one.bringing is None:
            one.bringing = loop.create_task(self._bring(one))
        try:
            return await waiter
        except asyncio.CancelledError:
            self._give_up(one, waiter)
            raise

    def _give_up(self, one: Resident, waiter: asyncio.Future[Engine]) -> None:
        """It is not waited for any more; where nobody else waits, nothing has to go for it."""
        if waiter in one.waiters:
            one.waiters.remove(waiter)
            if not one.waiters and one.bringing is not None and not one.opening:
                one.bringing.cancel()
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self.leave(one)  # it was loaded in the same moment

    async def _bring(self, one: Resident) -> None:
        """Loads it once it is its turn, and lets all go on that wait for it."""
        try:
            async with self._turn:
                one.engine = one.engine or await self._load(one)
                one.bringing = None
                waiters, one.waiters = one.waiters, []
                for waiter in waiters:
                    if not waiter.done():
                        self.use(one)
                        waiter.set_result(one.engine)
        except (Exception, asyncio.CancelledError) as error:
            one.bringing = None
            waiters, one.waiters = one.waiters, []
            refusal = _refusal(one, error)
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(refusal)

    def use(self, one: Resident) -> None:
        """It is loaded, and stays until `leave`."""
        one.users += 1
        one.free.clear()
        if (timer := self._timers.pop(one, None)) is not None:
            timer.cancel()

    def leave(self, one: Resident, *, guest: bool = False) -> None:
        """One of its users is done. A guest, who pays nothing, does not keep it from being the next to go."""
        one.users -= 1
        if not guest:
            one.used_at = time.monotonic()
        if one.users:
            return
        one.free.set()
        if self._rules.idle and one.ready is not None and not self._closed:
            loop = asyncio.get_running_loop()
            self._timers[one] = loop.call_later(self._rules.idle, self._idle, one)

    def _idle(self, one: Resident) -> None:
        self._timers.pop(one, None)
        task = asyncio.get_running_loop().create_task(self._unload_if_idle(one))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _unload_if_idle(self, one: Resident) -> None:
        async with self._turn:
            if one.ready is not None and not one.users:
                await self._unload(one)

    async def _load(self, one: Resident) -> Engine:
        self._check_open()
        needs = one.needs()
        while not self._room(needs):
            await self._make_way(one, needs)
            self._check_open()
        started, one.opening = time.monotonic(), True
        try:
            engine = await one.open()
        except Exception as error:
            kind = error.code.name if isinstance(error, TallystickError) else type(error).__name__
            log.error("model_not_loaded", model=one.name, kind=kind)
            raise LocalError(Code.ENGINE_FAILED, model=one.name, kind=kind) from error
        finally:
            one.opening = False
        one.leaving = False
        one.free.set()
        self._there.append(one)
        log.info("model_loaded", model=one.name, seconds=round(time.monotonic() - started, 2))
        return engine

    def _check_open(self) -> None:
        if self._closed:
            raise LocalError(Code.DRAINING)

    def _room(self, needs: int) -> bool:
        if self._rules.loaded and len(self._there) >= self._rules.loaded:
            return False
        return not needs or self._memory()[0] >= needs + self._rules.reserve

    async def _make_way(self, one: Resident, needs: int) -> None:
        """The one goes that was used least lately by those who pay, one that they do not use now first. Its guests give
        way. Raises LocalError BUSY where none is left to go.
        """
        if not self._there:
            free = self._memory()[0]
            log.warning("no_memory", model=one.name, needs=needs, free=free)
            raise LocalError(Code.BUSY, retry_after_ms=_RETRY_MS, needs=needs, free=free)
        leaves = min(self._there, key=lambda other: (other.users > len(other.guests), other.used_at))
        leaves.leaving = True
        for guest in list(leaves.guests):
            guest.give_way()
        try:
            await leaves.free.wait()
        except asyncio.CancelledError:
            leaves.leaving = False
            raise
        await self._unload(leaves)
        self.swaps += 1

    async def _unload(self, one: Resident) -> None:
        engine, one.engine, one.leaving = one.engine, None, False
        self._there.remove(one)
        if (timer := self._timers.pop(one, None)) is not None:
            timer.cancel()
        if engine is not None:
            await _close(one, engine)
        log.info("model_unloaded", model=one.name)

    async def close(self) -> None:
        """Unloads all of them, whatever they run. May be called twice."""
        self._closed = True
        for one in list(self._there):  # whoever waits for one to finish is not kept waiting by what is cancelled here
            if one.engine is not None:
                await _close(one, one.engine)
        async with self._turn:
            for one in list(self._there):
                await self._unload(one)
        await asyncio.gather(*self._leaving, return_exceptions=True)


def _refusal(one: Resident, error: BaseException) -> TallystickError:
    """What those are told that wait for a model, whatever went wrong."""
    if isinstance(error, TallystickError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return LocalError(Code.DRAINING)
    kind = type(error).__name__
    log.error("model_not_loaded", model=one.name, kind=kind)
    return LocalError(Code.ENGINE_FAILED, model=one.name, kind=kind)


async def _close(one: Resident, engine: Engine) -> None:
    """Whatever goes wrong in it: the model is gone then too, and others wait for its room."""
    try:
        await engine.close()
    except Exception as error:
        log.error("model_not_closed", model=one.name, kind=type(error).__name__)
