"""What every engine before a server has in common: the door, the health, and how long a request is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ..capabilities import Capabilities
from ..seat import Load, Reason, Run, Task
from ..slotted import Slotted
from .errors import Crowded, Fault
from .health import Health
from .http import Door
from .options import UpstreamOptions

Attempt = Callable[[Run], Awaitable[Reason]]
_PAUSE = 0.25
_TRIES = 3
"""How often a request is begun of which nothing was delivered, where the server failed; one that only says that it is
crowded is asked until the patience ends.
"""


class Upstream(Slotted):
    """The part of the seat that is the same for all that servers make. An engine adds `count`, `run`, `_make_one`."""

    def __init__(self, door: Door, options: UpstreamOptions, able: Capabilities) -> None:
        super().__init__(able, options.slots, options.queue)
        self._door, self._options = door, options
        self._health = Health(self._probe, options.probe_interval)

    async def _make_one(self) -> None:
        """The shortest request that shows that the server works. Raises LocalError."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Sees the server work once, and looks after its health from then on. Raises LocalError."""
        await self._probe()
        self._health.start()

    def load(self, model: str = "") -> Load:
        load = super().load(model)
        if (refusal := self._health.refusal()) is None:
            return load
        wait_ms = max(load.wait_ms, refusal.values["retry_after_ms"])
        if not self._health.down:
            return replace(load, wait_ms=wait_ms)
        # Nothing can be begun: an advert with no slots and no queue says so.
        return Load(0, 0, load.running, load.waiting, wait_ms)

    def busy(self, model: str = "", scope: bytes = b"") -> bool:
        return super().busy(model, scope) or self._health.refusal() is not None

    def _check_well(self) -> None:
        """Raises LocalError ENGINE_FAILED while the server is down, BUSY while it takes nothing."""
        if (refusal := self._health.refusal()) is not None:
            raise refusal

    def _begin_run(self, task: Task, attempt: Attempt, began: Callable[[], bool]) -> Run:
        """A run of attempts. Raises LocalError where the server is down or takes nothing, and it is not charged yet."""
        self._check_open()
        if not task.charged:
            self._check_well()
        return self._start(task, lambda run, slot: self._persist(run, attempt, began))

    async def _persist(self, run: Run, attempt: Attempt, began: Callable[[], bool]) -> Reason:
        """Begins the request until something of it is delivered, within the patience; then it ends as it ends."""
        loop = asyncio.get_running_loop()
        end, tries = loop.time() + self._options.patience, 0
        while True:
            try:
                if self._health.down:
                    await self._until_up(run, end)
                return await attempt(run)
            except Crowded as error:
                self._health.failed(error)
                wait = error.wait_ms / 1000
                if began() or loop.time() + wait > end:
                    raise
            except Fault as error:
                self._health.failed(error)
                tries, wait = tries + 1, _PAUSE
                if began() or not error.again or tries >= _TRIES or loop.time() + wait > end:
                    raise
            with run.interruptible():
                await asyncio.sleep(wait)

    async def _until_up(self, run: Run, end: float) -> None:
        """Raises Fault where the server stays down for longer than a request is kept waiting."""
        try:
            with run.interruptible():
                async with asyncio.timeout_at(end):
                    await self._health.up()
        except TimeoutError:
            raise Fault("the server is down", again=False) from None

    async def _probe(self) -> None:
        """A token, at the second try if need be: a connection that both ends closed at once proves nothing."""
        try:
            async with asyncio.timeout(self._options.probe_timeout):
                try:
                    await self._make_one()
                except Fault as error:
                    if not error.again:
                        raise
                    await self._make_one()
        except TimeoutError:
            raise Fault("no token in time") from None

    async def close(self) -> None:
        await super().close()
        await self._health.stop()
        await self._door.close()
