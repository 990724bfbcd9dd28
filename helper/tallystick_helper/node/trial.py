"""What this node gives away to guests: how much of the day is left, and for whom.

Counted in tokens, read and written together. What an answer may take at most is set aside, on disk, before its engine
starts, and what it did not take is given back at its end: a crash only makes the day shorter. The file holds a day and
a sum; who asked is known in memory alone, and forgotten with the day or the process.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tallystick_shared import limits
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.trial_offer import TrialOffer

from ..files import read_table, write_table
from .addresses import groups_of
from .inputs import RETRY_MS

FILE = "trial.json"
DAY = 86_400
NEIGHBOURS = 4
"""A neighbourhood (/24, or /48) gets so many times what one guest gets."""
LEAST = 32
"""An answer of fewer tokens is none: what is left then stays."""
REMEMBERED = 65_536


@dataclass(frozen=True)
class TrialRules:
    """Tokens a day in all and for one guest, the most of one answer, and how many answers at a time."""

    per_day: int
    per_guest: int
    most: int
    at_once: int


class Taken(NamedTuple):
    """What was set aside: the most tokens that the answer may have, and the day (days since 1970) that it is of."""

    most: int
    day: int


class Trial:
    """One budget for all chains of the node. `wall` is Unix time in seconds; a day is one of UTC."""

    def __init__(self, rules: TrialRules, data_dir: Path, wall: Callable[[], float] = time.time) -> None:
        """Raises LocalError STORE_UNREADABLE."""
        self.rules, self._path, self._wall = rules, data_dir / FILE, wall
        self._writing = asyncio.Lock()
        self._running: Counter[str] = Counter()
        self._guests: dict[str, int] = {}
        kept = read_table(self._path)
        self._day, today = int(kept.get("day", 0)), self._today()
        self.used = int(kept.get("units", 0)) if self._day in (today, today + 1) else 0
        self._day = max(self._day, today) if self.used else today

    def _today(self) -> int:
        return int(self._wall() // DAY)

    def _turn(self) -> None:
        """A new day begins all anew; a clock that is set back does not."""
        if (today := self._today()) > self._day:
            self._day, self.used, self._guests = today, 0, {}

    @property
    def renews(self) -> int:
        """When the next day begins, in Unix seconds."""
        return (self._day + 1) * DAY

    def offer(self) -> TrialOffer:
        """What the advert says."""
        self._turn()
        left = max(0, self.rules.per_day - self.used)
        return TrialOffer(self.rules.per_guest, left, self.rules.most, self.renews)

    def left(self, address: str) -> int:
        """Tokens that this guest may still have today."""
        self._turn()
        near, wide = groups_of(address)
        return max(
            0,
            min(
                self.rules.per_day - self.used,
                self.rules.per_guest - self._guests.get(near, 0),
                NEIGHBOURS * self.rules.per_guest - self._guests.get(wide, 0),
            ),
        )

    def look(self, address: str) -> None:
        """Raises PeerError TRIAL_OVER where nothing is left for this guest today."""
        if self.left(address) < LEAST:
            raise self._over()

    @contextmanager
    def turn(self, address: str) -> Iterator[None]:
        """While a guest is served. Raises PeerError BUSY where it is already, or too many others are; TRIAL_OVER."""
        group = groups_of(address)[0]
        if self._running[group] >= limits.TRIAL_AT_ONCE.value or self._running.total() >= self.rules.at_once:
            raise PeerError(Code.BUSY, retry_after_ms=RETRY_MS)
        self.look(address)
        self._running[group] += 1
        try:
            yield
        finally:
            self._running[group] -= 1
            self._running += Counter()  # without those at 0

    async def take(self, address: str, units: int, most: int) -> Taken:
        """Sets an input of so many units aside, and an answer: of `most`, or what the rules leave. Durable when it
        returns. Raises PeerError TRIAL_OVER, LocalError STORE_UNREADABLE.
        """
        answer = min(most, self.rules.most, self.left(address) - units)
        if answer < min(LEAST, most):
            raise self._over()
        self._count(address, units + answer)
        taken = Taken(answer, self._day)  # before the file is written: midnight may come meanwhile
        await self._keep()
        return taken

    async def give_back(self, address: str, units: int, day: int) -> None:
        """So much of what was taken on that day was not used."""
        if units > 0 and day == self._day:
            self._count(address, -units)
            await self._keep()

    def _over(self) -> PeerError:
        wait = max(1, self.renews - int(self._wall()))
        return PeerError(Code.TRIAL_OVER, retry_after_ms=wait * 1000)

    def _count(self, address: str, units: int) -> None:
        self.used += units
        for group in groups_of(address):
            self._guests[group] = self._guests.pop(group, 0) + units
        while len(self._guests) > REMEMBERED:
            del self._guests[next(iter(self._guests))]

    async def _keep(self) -> None:
        async with self._writing:
            await asyncio.to_thread(write_table, self._path, {"day": self._day, "units": self.used})
