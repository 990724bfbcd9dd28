"""Earnings, claims, the log: how far back, which lines, files to keep, and a claim by the owner."""

from __future__ import annotations

from .desk import Desk
from .owner import Owner
from .watching import Watching


class Books:
    """The intents."""

    def __init__(self, desk: Desk, watching: Watching, owner: Owner) -> None:
        self._desk, self._watching, self._owner = desk, watching, owner
        desk.on("days", self.days)
        desk.on("csv", lambda _: self._file(f"earnings.csv?days={desk.state.days}", "tallystick-earnings.csv"))
        desk.on("bundle", lambda _: self._file("bundle", "tallystick-support.zip"))
        desk.on("input:level", self.level)
        desk.on("input:search", lambda text: desk.change(search=text))
        desk.on("claim", self.claim)

    def days(self, count: str) -> None:
        self._desk.change(days=int(count))
        self._watching.wake()

    def level(self, level: str) -> None:
        self._desk.change(level=level)
        self._watching.wake()

    async def _file(self, path: str, name: str) -> None:
        if not await self._desk.seats.api.download(path, name):
            self._desk.say(self._desk.words("console.lost"), self._desk.words("console.lost_step"))

    async def claim(self, chain: str) -> None:
        """Claims now, once the owner signed in."""
        if await self._owner.tell("claim", chain=chain) is not None:
            self._desk.say(self._desk.words("console.claims.done"), kind="good")
            self._watching.wake()
