"""Several models behind one seat: each is asked for by its name, and loaded when it is.

What a model offers has to be known before it is loaded, for the offer that is announced. So at its first start each
model is loaded once, and what it said is kept beside the node's data for as long as its files and options stay the
same.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path

from tallystick_shared.errors import Code, LocalError, TallystickError

from .facts import Facts, FactsBook
from .fit import Memory, system_memory
from .relay import Relay
from .residence import HOLD, Residence, Residences, Resident
from .run import Run
from .seat import Capabilities, Engine, Load, Task
from .slots import Slots


@dataclass(frozen=True, slots=True)
class Member:
    """A model, or several that one engine serves. `key` changes where what it offers may have changed; empty where
    that cannot be told.
    """

    resident: Resident
    key: str = ""


@dataclass
class _Place:
    """A member with what is known of it, and the queue of those who wait until it is loaded."""

    resident: Resident
    facts: Facts
    queue: Slots
    held: list[asyncio.TimerHandle]


async def _first(residences: Residences, one: Resident) -> Engine:
    """At the start whatever is wrong with a model is told as it is."""
    try:
        return await residences.enter(one)
    except LocalError as error:
        raise error.__cause__ if isinstance(error.__cause__, TallystickError) else error from None


class Fleet:
    """Fills the engine seat. Make it with `await Fleet.open(members, rules, data_dir)`."""

    def __init__(self, places: Sequence[_Place], residences: Residences) -> None:
        self._places, self._residences = places, residences
        self._relays: weakref.WeakSet[Run] = weakref.WeakSet()
        self._closed = False
        self._by_model = {able.model: place for place in places for able in place.facts.models}
        if len(self._by_model) < len(self.models()):
            raise LocalError(Code.BAD_SETTINGS, reason="two models have one name")

    @classmethod
    async def open(
        cls,
        members: Sequence[Member],
        rules: Residence | None = None,
        data_dir: Path | None = None,
        memory: Memory = system_memory,
    ) -> Fleet:
        """Learns what each offers, loading those that are new. Raises what opening one raises, and LocalError
        BAD_SETTINGS where two models have one name.
        """
        residences, book = Residences(rules or Residence(), memory), FactsBook(data_dir)
        places = []
        try:
            for member in members:
                one = member.resident
                if (facts := book.get(member.key)) is None:
                    facts = Facts.of(await _first(residences, one))
                    residences.leave(one)
                    book.put(member.key, facts)
                places.append(_Place(one, facts, Slots(facts.slots, facts.queue), []))
            if not places:
                raise LocalError(Code.BAD_SETTINGS, reason="no model is named")
            return cls(places, residences)
        except BaseException:
            await residences.close()
            raise

    # -- the seat

    def capabilities(self) -> Capabilities:
        return self._places[0].facts.models[0]

    def models(self) -> tuple[Capabilities, ...]:
        return tuple(able for place in self._places for able in place.facts.models)

    async def count(self, task: Task) -> int:
        place = self._find(task.model)
        self._check_free(place, task)
        async with self._loaded(place, guest=task.free) as engine:
            units = await engine.count(task)
            if not task.free:
                self._hold(place)
        return units

    def run(self, task: Task) -> Run:
        place = self._find(task.model)
        if self._closed:
            raise LocalError(Code.DRAINING)
        self._check_free(place, task)
        engine = place.resident.ready
        run = self._relay(place, task) if engine is None else self._run_now(place, engine, task)
        if task.free:
            guests = place.resident.guests
            guests.add(run)
            run.when_over(lambda: guests.discard(run))
        return run

    def _relay(self, place: _Place, task: Task) -> Run:
        """It waits until its model is loaded."""
        ticket = place.queue.reserve(task.scope, charged=task.charged, free=task.free)
        run = Relay(ticket, lambda: self._loaded(place, guest=task.free), replace(task, charged=True))
        self._relays.add(run)
        return run

    def _run_now(self, place: _Place, engine: Engine, task: Task) -> Run:
        run = engine.run(task)
        self._residences.use(place.resident)
        run.when_over(lambda: self._residences.leave(place.resident, guest=task.free))
        if not task.free:
            self._unhold(place)
        return run

    def _check_free(self, place: _Place, task: Task) -> None:
        """For a task that nobody pays for no model has to go, nor may one that somebody waits for be kept waiting.
        Raises LocalError BUSY.
        """
        if not task.free or place.resident.ready is not None:
            return
        others = (other.resident for other in self._places if other is not place)
        if place.resident.leaving or any(one.engine is not None or one.bringing is not None for one in others):
            raise LocalError(Code.BUSY, retry_after_ms=place.queue.retry_after_ms())

    def load(self, model: str = "") -> Load:
        if model:
            return self._load(self._find(model))
        return reduce(add, map(self._load, self._places))

    def busy(self, model: str = "", scope: bytes = b"") -> bool:
        place = self._find(model)
        engine = place.resident.ready
        return self._closed or (place.queue.full(scope) if engine is None else engine.busy(model, scope))

    async def close(self) -> None:
        self._closed = True
        for place in self._places:
            while place.held:
                self._unhold(place)
        await asyncio.gather(*(run.aclose() for run in list(self._relays)))
        await self._residences.close()

    # -- what is particular to it

    @property
    def swaps(self) -> int:
        """Models that were unloaded to make room for another."""
        return self._residences.swaps

    def state(self, model: str) -> str:
        """`loaded`, `leaving` or `unloaded`. Raises LocalError UNKNOWN_MODEL."""
        return self._find(model).resident.state

    def _find(self, model: str) -> _Place:
        if not model:
            return self._places[0]
        if (place := self._by_model.get(model)) is None:
            raise LocalError(Code.UNKNOWN_MODEL, model=model[:64])
        return place

    def _load(self, place: _Place) -> Load:
        waiting = place.queue.load()
        engine = place.resident.engine
        if engine is None:
            return waiting
        load = engine.load()
        queued = load.waiting + waiting.running + waiting.waiting
        return replace(load, waiting=queued, wait_ms=max(load.wait_ms, waiting.wait_ms))

    @asynccontextmanager
    async def _loaded(self, place: _Place, *, guest: bool = False) -> AsyncIterator[Engine]:
        engine = await self._residences.enter(place.resident)
        try:
            yield engine
        finally:
            self._residences.leave(place.resident, guest=guest)

    def _hold(self, place: _Place) -> None:
        """A run is likely to follow: the model does not go at once."""
        self._residences.use(place.resident)
        place.held.append(asyncio.get_running_loop().call_later(HOLD, self._unhold, place))

    def _unhold(self, place: _Place) -> None:
        with suppress(IndexError):
            place.held.pop(0).cancel()
            self._residences.leave(place.resident)
