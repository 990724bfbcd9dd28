"""The console's one running thing: its state, and what the node says. Flows are put around it in `main`."""

from __future__ import annotations

import sys
import traceback
from dataclasses import replace
from typing import Any

from ..loop import Job, Loop
from .seats import Answer, Seats
from .state import Notice, Phase, State


class Desk(Loop):
    """`change` makes the next state, which is drawn soon."""

    def __init__(self, seats: Seats) -> None:
        super().__init__()
        self.seats, self.words, self.state = seats, seats.words, State()

    def change(self, **changes: Any) -> None:
        """Replaces fields of the state."""
        self.state = replace(self.state, **changes)
        self.draw_soon()

    def show(self) -> None:
        self.seats.screen.show(self.state)

    async def asked(self, name: str, work: Job) -> None:
        """An intent is busy until its work is done."""
        self.change(busy=self.state.busy | {name})
        try:
            await work
        finally:
            self.change(busy=self.state.busy - {name})

    def failed(self, error: Exception) -> None:
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
