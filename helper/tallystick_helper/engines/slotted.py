"""What our engines have in common: a number of slots, the runs in them, and the end of it all."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass, replace

from tallystick_shared.errors import Code, LocalError

from .run import Run, Work
from .seat import Capabilities, Load, Task
from .slots import Slots


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that one request may take: units of input and of output, and seconds in its slot. 0 is no cap but the
    model's own.
    """

    max_input: int = 0
    max_output: int = 0
    max_seconds: float = 0.0

    def __post_init__(self) -> None:
        if min(self.max_input, self.max_output, self.max_seconds) < 0:
            raise LocalError(Code.BAD_SETTINGS, reason="a cap is below 0")


class Slotted:
    """The part of the engine seat that is the same for every engine of one model. An engine adds `count` and `run`."""

    def __init__(self, capabilities: Capabilities, slots: int, queue: int) -> None:
        self._capabilities = capabilities
        self._slots = Slots(slots, queue)
        self._runs: weakref.WeakSet[Run] = weakref.WeakSet()
        self._closed = False
        self._seconds = 0.0

    def capabilities(self) -> Capabilities:
        return self._capabilities

    def models(self) -> tuple[Capabilities, ...]:
        return (self.capabilities(),)

    def load(self, model: str = "") -> Load:
        return self._slots.load()

    def busy(self, model: str = "", scope: bytes = b"") -> bool:
        return self._closed or self._slots.full(scope)

    def restrict(self, caps: Caps) -> None:
        """Narrows what the engine offers. Before anything runs. Raises LocalError BAD_SETTINGS."""
        able = self._capabilities
        self._capabilities = replace(
            able,
            max_input=min(caps.max_input or able.max_input, able.max_input or caps.max_input),
            max_output=min(caps.max_output or able.max_output, able.max_output or caps.max_output),
        )
        self._seconds = caps.max_seconds

    def _check_open(self) -> None:
        """Raises LocalError DRAINING."""
        if self._closed:
            raise LocalError(Code.DRAINING)

    def _check_length(self, units: int) -> int:
        """The units of an input, where it leaves room for an answer. Raises LocalError PROMPT_TOO_LONG."""
        able = self.capabilities()
        limit = min(able.max_input or able.context, able.context - 1)
        if units > limit:
            raise LocalError(Code.PROMPT_TOO_LONG, units=units, limit=limit)
        return units

    def _start(self, task: Task, work: Work) -> Run:
        """Does `work` once there is a slot. Raises LocalError DRAINING, BUSY."""
        self._check_open()
        run = Run(self._slots.reserve(task.scope, charged=task.charged, free=task.free), work, self._seconds)
        self._runs.add(run)
        run.when_over(lambda: self._runs.discard(run))
        return run

    async def close(self) -> None:
        """Cancels what runs. What is over keeps its output for whoever has not read it yet."""
        self._closed = True
        await asyncio.gather(*(run.aclose() for run in list(self._runs)))
