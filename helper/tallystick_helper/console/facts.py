"""Everything that the console shows, from one process; the commands print the same."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tallystick_shared.errors import Code, LocalError

from ..crypto import NativeCrypto
from ..engines import Engine
from ..log_ring import RING
from ..model_list import served
from ..node.assemble import Running
from ..place import Place
from ..settings import Settings
from . import bundle as bundles
from .earnings import earnings
from .hardware_history import HardwareHistory
from .outlook import Outlook
from .purse import purse
from .sessions import sessions


@dataclass(frozen=True)
class Process:
    """What is looked at: the settings, the engine once there is one, the chains, output units since the start, and the
    state as `tallystick status` tells it.
    """

    settings: Settings
    engine: Callable[[], Engine | None]
    places: Sequence[Place]
    units: Callable[[], int]
    state: Callable[[], dict[str, Any]]


class Facts:
    """`start` begins to sample the machine, `stop` ends that."""

    def __init__(self, process: Process) -> None:
        self._up = process
        self.history = HardwareHistory(self._extra)
        self._outlooks = {place.name: Outlook(place) for place in process.places}
        self._sampling: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._sampling = asyncio.create_task(self.history.run())

    async def stop(self) -> None:
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)

    def _extra(self) -> dict[str, float]:
        engine = self._up.engine()
        loads = [engine.load(able.model) for able in engine.models()] if engine else []
        running, waiting = sum(load.running for load in loads), sum(load.waiting for load in loads)
        return {"units": self._up.units(), "running": running, "waiting": waiting}

    def models(self) -> dict[str, Any]:
        rows = served(self._up.engine(), self._up.places, self._up.settings)
        symbol = self._up.settings.chain.symbol
        return {"models": [row.values() for row in rows], "symbol": symbol}

    def sessions(self) -> dict[str, Any]:
        """Who is connected, and what waits for a slot."""
        symbols = {place.name: place.settings.chain.symbol for place in self._up.places}
        queue = [
            {name: row[name] for name in ("model", "slots", "running", "queue", "waiting")}
            for row in self.models()["models"]
        ]
        return {"sessions": sessions(self._up.places), "queue": queue, "symbols": symbols}

    def hardware(self) -> dict[str, Any]:
        return self.history.values()

    async def earnings(self, days: int = 30) -> dict[str, Any]:
        return await earnings(self._up.places, days)

    async def claims(self) -> dict[str, Any]:
        """By chain: vouchers that wait, the next claims, and the coin's symbol."""
        found = {}
        for place in self._up.places:
            told = await self._outlooks[place.name].values()
            found[place.name] = {**told, "symbol": place.settings.chain.symbol}
        return {"chains": found}

    async def purse(self) -> dict[str, Any]:
        """Earnings, claims to come and the operator's gas, in short."""
        return await purse(self._up.places, self._outlooks, NativeCrypto())

    async def claim(self, chain: str) -> dict[str, Any]:
        """Claims all that pays its gas, now. Raises LocalError BAD_SETTINGS, NOT_REGISTERED."""
        running = self._running(chain)
        paid = await running.node.till.look(everything=True)
        self._outlooks[chain].forget()
        return {"paid": str(paid)}

    def _running(self, chain: str) -> Running:
        for place in self._up.places:
            if place.name == chain:
                if place.running is None:
                    raise LocalError(Code.NOT_REGISTERED, reason="this node does not serve there yet")
                return place.running
        raise LocalError(Code.BAD_SETTINGS, chain=chain, reason="there is no such chain in the settings")

    def logs(self, level: str = "debug", search: str = "", after: int = 0, most: int = 500) -> dict[str, Any]:
        return {"lines": RING.lines(level, search, after, most)}

    async def bundle(self) -> bytes:
        """A redacted zip for whoever helps."""
        parts = {
            "state": self._up.state(),
            "models": self.models(),
            "hardware": self.hardware(),
            "earnings": await self.earnings(),
            "claims": await self.claims(),
        }
        return await asyncio.to_thread(bundles.bundle, self._up.settings, parts, RING.lines())

    async def bundle_text(self) -> dict[str, Any]:
        return {"zip": base64.b64encode(await self.bundle()).decode()}
