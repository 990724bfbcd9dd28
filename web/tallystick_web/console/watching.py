"""Keeps what is on the screen fresh: each tab's questions, again and again, while somebody looks."""

from __future__ import annotations

import asyncio
import contextlib

from .desk import Desk
from .state import Phase

STEP = 2.0
SLOW = 5
"""Of so many steps one, for what changes slowly or is long."""
ALWAYS = ("state",)
QUICK = {
    "overview": ("sessions", "claims"),
    "provide": ("provide",),
    "models": ("models",),
    "sessions": ("sessions",),
    "earnings": ("claims",),
    "hardware": (),
    "logs": ("logs",),
}
SLOWLY = {"overview": ("earnings", "hardware"), "earnings": ("earnings",), "hardware": ("hardware",)}


class Watching:
    """`run` goes on until the console is no longer paired; `wake` makes it ask everything at once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._woken = asyncio.Event()
        self._count = 0

    def wake(self) -> None:
        self._count = 0
        self._woken.set()

    async def run(self) -> None:
        while self._desk.state.phase is not Phase.UNPAIRED:
            if not self._desk.seats.screen.hidden:
                await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), STEP)
            self._woken.clear()

    async def look(self) -> None:
        """Asks what this tab shows, once."""
        desk, tab = self._desk, self._desk.state.tab
        slow = SLOWLY.get(tab, ()) if self._count % SLOW == 0 else ()
        self._count += 1
        desk.change(now=desk.seats.clock.wall())
        for name in (*ALWAYS, *QUICK[tab], *slow):
            if desk.state.tab != tab:
                return
            await desk.read(name + self._query(name))
            if desk.state.phase is not Phase.PAIRED:
                return

    def _query(self, name: str) -> str:
        state = self._desk.state
        if name == "earnings":
            return f"?days={state.days}"
        return f"?level={state.level}" if name == "logs" else ""
