"""Streams without a connection: the shelf's clock, and what becomes of the jobs behind them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from tallystick_shared.session.detached import Shelf, ShelfEnded, ShelfLimits, ShelfStopped

if TYPE_CHECKING:
    from .service import Node

log = structlog.get_logger(__name__)


class Detached:
    """Drives the node's one shelf. Whoever may have changed it calls `pump`."""

    def __init__(self, node: Node, bounds: ShelfLimits | None = None) -> None:
        self.shelf = Shelf(bounds)
        self._node = node
        self._tasks: set[asyncio.Task[None]] = set()

    def tick(self, now: float) -> None:
        """Called by the node's one timer."""
        self.shelf.tick(now)
        self.pump()

    def pump(self) -> None:
        """Stops jobs whose work is no longer wanted, and records what is kept no longer."""
        for event in self.shelf.events():
            if isinstance(event, ShelfStopped):
                job = self._node.job(event.channel_id, event.request_id)
                if job is not None:
                    job.stop()
            else:
                task = asyncio.create_task(self._ended(event))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._node.ticker.want(self, self.shelf.next_deadline())

    async def _ended(self, event: ShelfEnded) -> None:
        try:
            await self._node.ended(event)
        except Exception:
            log.exception("stream_not_recorded")

    async def close(self) -> None:
        """Settles and records everything, and leaves nothing in memory."""
        self.shelf.close()
        self.pump()
        if self._tasks:
            await asyncio.wait(self._tasks)
