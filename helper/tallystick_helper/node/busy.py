"""Channels that have a transaction under way, and whoever waits until one has none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Busy(set[bytes]):
    """Channel ids. Taken with `add` or `update`, given back with `free`."""

    def __init__(self) -> None:
        super().__init__()
        self._freed = asyncio.Event()

    def free(self, ids: Iterable[bytes]) -> None:
        """Their transaction has ended."""
        self.difference_update(ids)
        self._freed.set()
        self._freed = asyncio.Event()

    async def change(self) -> None:
        """Returns once some channel was freed."""
        await self._freed.wait()
