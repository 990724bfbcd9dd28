"""The console's one running thing: state, screen, intents and tasks. Flows are put around it in `main`."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from .seats import Answer, Seats
from .state import Notice, Phase, State

FRAME = 1 / 40
Work = Callable[[str], Coroutine[Any, Any, None] | None]


class Desk:
    """`heard` is told what was clicked and typed; `change` makes the next state, which is drawn soon."""

    def __init__(self, seats: Seats) -> None:
        self.seats, self.words, self.state = seats, seats.words, State()
        self._intents: dict[str, Work] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._drawing: asyncio.TimerHandle | None = None

    def change(self, **changes: Any) -> None:
        """Replaces fields of the state; many changes in a row are drawn once."""
        self.state = replace(self.state, **changes)
        if self._drawing is None:
            self._drawing = asyncio.get_running_loop().call_later(FRAME, self.draw)

    def draw(self) -> None:
        """Draws now."""
        if self._drawing is not None:
            self._drawing.cancel()
            self._drawing = None
        self.seats.screen.show(self.state)

    def on(self, name: str, do: Work) -> None:
        """What an intent does: a plain function, or a coroutine that then runs as a task."""
        self._intents[name] = do

    def heard(self, name: str, argument: str = "") -> None:
        """Somebody clicked or typed. An intent that is not known does nothing."""
        do = self._intents.get(name)
        work = do(argument) if do else None
        if work is not None:
            self.spawn(self._busy(name, work))

    async def _busy(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self.change(busy=self.state.busy | {name})
        try:
            await work
        finally:
            self.change(busy=self.state.busy - {name})

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work`; a fault of our own is said in one sentence."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            print(traceback.format_exc(), file=sys.stderr)
            self.say(*self.words.error("page_failed"))

    def say(self, says: str, step: str = "", kind: str = "bad") -> None:
        """Shows a sentence until it is closed or another takes its place."""
        self.change(notice=Notice(says, step, kind))

    # -- the node

    async def read(self, path: str) -> bool:
        """Asks for what `path` tells and keeps it by the part before its `?`. False where there is no answer."""
        answer = await self.seats.api.call("GET", path)
        if self._heard_back(answer):
            self.change(data={**self.state.data, path.split("?")[0]: answer.body})
            return True
        return False

    async def tell(self, path: str, /, **body: Any) -> Answer:
        """A command; what it was refused for is said."""
        answer = await self.seats.api.call("POST", path, body)
        self.taken(answer)
        return answer

    def taken(self, answer: Answer) -> bool:
        """Is it good? Says why where it is not."""
        if not self._heard_back(answer) and answer.status != 401:
            self._refused(answer)
        return answer.good

    def _refused(self, answer: Answer) -> None:
        if answer.status == 0:
            self.say(self.words("console.lost"), self.words("console.lost_step"))
        else:
            self.say(str(answer.body.get("says", "")), str(answer.body.get("next", "")))

    def _heard_back(self, answer: Answer) -> bool:
        if answer.status == 401:
            self.change(phase=Phase.UNPAIRED, why=str(answer.body.get("error", "")), data={}, sheet="")
        elif answer.status == 0:
            self.change(phase=Phase.LOST)
        elif self.state.phase is not Phase.PAIRED:
            self.change(phase=Phase.PAIRED)
        return answer.good
