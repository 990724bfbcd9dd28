"""What the page and the console both are: intents that start work, tasks whose faults are said, and a screen that is
drawn soon after a change. What state there is, and how it is shown, is theirs.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

FRAME = 1 / 40
Job = Coroutine[Any, Any, None]
Work = Callable[[str], Job | None]


class Loop(ABC):
    """`heard` is told what was clicked and typed."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._intents: dict[str, Work] = {}
        self._drawing: asyncio.TimerHandle | None = None

    @abstractmethod
    def show(self) -> None:
        """Makes the screen look like the state."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """Says in one sentence what went wrong with some work. Called while the exception is handled."""

    def draw_soon(self) -> None:
        """Many changes in a row are drawn once."""
        if self._drawing is None:
            self._drawing = asyncio.get_running_loop().call_later(FRAME, self.draw)

    def draw(self) -> None:
        """Draws now."""
        if self._drawing is not None:
            self._drawing.cancel()
            self._drawing = None
        self.show()

    def on(self, name: str, do: Work) -> None:
        """What an intent does: a plain function, or a coroutine that then runs as a task."""
        self._intents[name] = do

    def heard(self, name: str, argument: str = "") -> None:
        """Somebody clicked or typed. An intent that is not known does nothing."""
        do = self._intents.get(name)
        work = do(argument) if do else None
        if work is not None:
            self.spawn(self.asked(name, work))

    def asked(self, name: str, work: Job) -> Job:
        """What runs for an intent's coroutine: that itself."""
        return work

    def spawn(self, work: Job) -> asyncio.Task[None]:
        """Runs `work`; what goes wrong with it is said."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Job) -> None:
        try:
            await work
        except Exception as error:
            self.failed(error)

    async def idle(self) -> None:
        """Waits until nothing runs any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks)
