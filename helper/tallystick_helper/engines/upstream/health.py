"""Is the server well? Known by a token that it makes, not by a page that says so.

A probe makes one token on an interval, unless requests showed meanwhile that answers come, and at once after a
request failed. While probes fail the server is down: nothing is begun there, and the node's advert says that it has no
slots. It is tried again after 1, 2, 4, … 30 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from tallystick_shared.errors import Code, LocalError

from .errors import Crowded

_FIRST_REST, _LONGEST_REST = 1.0, 30.0
Probe = Callable[[], Awaitable[None]]
"""Makes a token. Raises Crowded where the server takes nothing now, another LocalError where it is not well."""
log = structlog.get_logger(__name__)


class Health:
    """What is known of the server's health. `start` begins probing, `stop` ends it."""

    def __init__(self, probe: Probe, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._probe, self._interval, self._clock = probe, interval, clock
        self._failure: LocalError | None = None
        self._doubt = asyncio.Event()
        self._up = asyncio.Event()
        self._up.set()
        self._seen = clock()
        self._crowded_until = 0.0
        self._rest = _FIRST_REST
        self._next = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def down(self) -> bool:
        return self._failure is not None

    @property
    def crowded(self) -> bool:
        """It said that it takes nothing now, and the time that it named is not over."""
        return self._clock() < self._crowded_until

    def refusal(self) -> LocalError | None:
        """What to say to a request that would be begun now, with when to come back."""
        if self._failure is not None:
            wait = max(_FIRST_REST, self._next - self._clock())
            return LocalError(Code.ENGINE_FAILED, retry_after_ms=int(wait * 1000), **self._failure.values)
        if self.crowded:
            return LocalError(Code.BUSY, retry_after_ms=max(1, int(1000 * (self._crowded_until - self._clock()))))
        return None

    def worked(self, *, taken: bool = False) -> None:
        """A request gave something. `taken`: its first, so the server takes requests again."""
        self._seen = self._clock()
        if taken:
            self._crowded_until = 0.0

    def failed(self, error: LocalError) -> None:
        """A request failed by the server's fault: a probe says whether that was all."""
        if isinstance(error, Crowded):
            self._crowded_until = max(self._crowded_until, self._clock() + error.wait_ms / 1000)
        else:
            self._doubt.set()

    async def up(self) -> None:
        """Waits until it is not down."""
        await self._up.wait()

    async def check(self) -> None:
        """Probes now, and notes the outcome."""
        self._doubt.clear()
        try:
            await self._probe()
        except Crowded as error:
            self.failed(error)
            self._recovered()
        except LocalError as error:
            self._fell(error)
        else:
            self.worked(taken=True)
            self._recovered()

    def _recovered(self) -> None:
        self._seen = self._clock()
        if self._failure is not None:
            log.info("upstream_is_back")
        self._failure, self._rest = None, _FIRST_REST
        self._up.set()

    def _fell(self, error: LocalError) -> None:
        if self._failure is None:
            log.warning("upstream_is_down", code=error.code.name, **error.values)
        else:
            self._rest = min(2 * self._rest, _LONGEST_REST)
        self._failure, self._next = error, self._clock() + self._rest
        self._up.clear()

    async def _watch(self) -> None:
        while True:
            if self._failure is not None:
                await asyncio.sleep(self._rest)
                await self.check()
                continue
            try:
                async with asyncio.timeout(max(0.0, self._seen + self._interval - self._clock())):
                    await self._doubt.wait()
            except TimeoutError:
                if self._clock() < self._seen + self._interval:
                    continue
            await self.check()
