"""One request: from OPEN to the engine's last piece, as one task that reads from top to bottom."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.money import Price
from tallystick_shared.session.events import RequestOffered

from ..engines.seat import Finish, Piece, Reason, Run, Task

if TYPE_CHECKING:
    from .connection import Connection

log = structlog.get_logger(__name__)


class Job:
    """A stream's work. The connection hands in the input and the grant as they come; `stop` ends it at any time."""

    def __init__(self, connection: Connection, offered: RequestOffered) -> None:
        loop = asyncio.get_running_loop()
        self.stream = offered.stream
        self._input: asyncio.Future[bytes] = loop.create_future()
        self._granted: asyncio.Future[int] = loop.create_future()
        self.recorded = False
        """True once this job, and no earlier one, holds the request id in the ledger."""
        self._connection = connection
        self._offered = offered
        self._run: Run | None = None
        self._stopped = False
        self.task = loop.create_task(self._drive())

    @property
    def given(self) -> bool:
        """Is its whole input here?"""
        return self._input.done()

    def give_input(self, data: bytes) -> None:
        """The whole input is here."""
        if not self._input.done():
            self._input.set_result(data)

    def grant(self, units: int) -> None:
        """It is paid for: at most so many units may be made."""
        if not self._granted.done():
            self._granted.set_result(units)

    def stop(self) -> None:
        """The work is not wanted any more: the engine is told at once."""
        self._stopped = True
        if self._run is not None:
            self._run.cancel()
        else:
            self.task.cancel()

    def abandon(self) -> None:
        """The stream is over: whatever this still waits for will not come."""
        if self._run is None and not self.task.done():
            self._stopped = True
            self._input.cancel()
            self._granted.cancel()

    async def _drive(self) -> None:
        try:
            await self._work()
        except (TallystickError, RpcError) as error:
            self._fail(error if isinstance(error, TallystickError) else LocalError(Code.RPC_UNREACHABLE))
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        except Exception as error:
            log.exception("job_failed", kind=type(error).__name__)
            self._fail(LocalError(Code.ENGINE_FAILED))

    def _fail(self, error: TallystickError) -> None:
        if error.code is Code.UNCLAIMABLE:
            self._connection.refuse(error)
            return
        self._connection.session.fail(self.stream, error, retry_after_ms=int(error.values.get("retry_after_ms", 0)))
        self._connection.pump()

    async def _work(self) -> None:
        node, session, wanted = self._connection.node, self._connection.session, self._offered.open
        self._check()
        known = await node.ledger.open_request(session.channel_id, wanted.request_id, self._offered.digest)
        if known is not None:
            raise PeerError(Code.REQUEST_GONE if known.digest == self._offered.digest else Code.REQUEST_CONFLICT)
        self.recorded = True
        data = await self._input
        task = Task(wanted.service, data, wanted.params, wanted.max_units, session.channel_id)
        units = await node.engine.count(task)
        # Whatever can refuse the request does so before its input is charged.
        await self._connection.prove()
        self._check_room()
        session.measure(self.stream, units, node.engine.capabilities().manifest, place=node.engine.load().waiting)
        self._connection.pump()
        await self._serve(replace(task, max_units=await self._granted, charged=True))

    def _check(self) -> None:
        """Service, model (to its files) and price are as announced, and there is room. Raises PeerError."""
        node, wanted = self._connection.node, self._offered.open
        able = node.engine.capabilities()
        if wanted.service not in able.services:
            raise PeerError(Code.UNKNOWN_SERVICE)
        offer = node.profile.offer(wanted.model)
        asked = Price(int.from_bytes(wanted.price_in, "big"), int.from_bytes(wanted.price_out, "big"))
        if (wanted.model, offer.manifest) != (able.model, able.manifest):
            raise PeerError(Code.UNKNOWN_MODEL)
        if asked != offer.price:
            raise PeerError(Code.PRICE_CHANGED)
        if wanted.max_units < 1:
            raise PeerError(Code.BAD_REQUEST)
        if node.draining:
            raise PeerError(Code.DRAINING)
        self._check_room()

    def _check_room(self) -> None:
        if self._connection.node.engine.busy():
            raise PeerError(Code.BUSY, retry_after_ms=1000)

    async def _serve(self, task: Task) -> None:
        node, session = self._connection.node, self._connection.session
        async with node.engine.run(task) as run:
            self._run = run
            if self._stopped:
                return
            async for event in run:
                if isinstance(event, Piece):
                    session.data(self.stream, event.data, event.units, event.kind)
                elif isinstance(event, Finish) and not self._stopped:
                    self._finish(event)
                if session.shape.full_rate:
                    self._connection.pump()

    def _finish(self, event: Finish) -> None:
        if event.error is not None or event.reason is Reason.ERROR:
            raise event.error or LocalError(Code.ENGINE_FAILED)
        self._connection.session.finish(self.stream, event.reason.value)
