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

from ..engines.door import held
from ..engines.seat import Capabilities, Engine, Finish, Piece, Reason, Task
from ..ledger import RequestRow
from .inputs import RETRY_MS, Room
from .work import Work

if TYPE_CHECKING:
    from .channel import LiveChannel
    from .connection import Connection

MADE_AHEAD = 4 << 20
"""Bytes of a stream at full rate that may wait for its socket before its engine waits too."""
MOST_PLACE = 0xFFFF
log = structlog.get_logger(__name__)


class Job(Work):
    """A paid stream's work. The connection hands in the input and the grant as they come; `stop` ends it at any time.
    Once it is accepted it goes on without a connection, and under another one.
    """

    def __init__(self, connection: Connection, channel: LiveChannel, offered: RequestOffered) -> None:
        super().__init__(connection, offered.stream)
        self._opening: asyncio.Future[RequestRow | None] | None = None
        self._node, self._channel = connection.node, channel
        self._offered = offered
        self._held = connection.session.streams[offered.stream]
        self._room: Room | None = None
        self._manifest = b""
        self._earlier = channel.jobs.get(offered.open.request_id)
        channel.jobs[offered.open.request_id] = self
        channel.asked[offered.open.request_id] = offered.open.model
        self.task = asyncio.get_running_loop().create_task(self._drive())

    def give_input(self, data: bytes) -> None:
        super().give_input(data)
        if self._room is not None:
            self._room.whole = True

    def _crowded_out(self) -> None:
        """Others bring their inputs, and there is no more room for half of one."""
        self._fail(PeerError(Code.BUSY, retry_after_ms=RETRY_MS))

    async def _drive(self) -> None:
        try:
            await self._attempt()
            await self._clear()
        finally:
            if self._channel.jobs.get(self._offered.open.request_id) is self:
                del self._channel.jobs[self._offered.open.request_id]

    async def _clear(self) -> None:
        """A request that nothing was done for is no request: it may be made again under the same id."""
        if self._opening is not None and not self._held.accepted and await self._opening is None:
            await self._node.ledger.forget_request(self._channel.channel_id, self._offered.open.request_id)

    async def _attempt(self) -> None:
        try:
            self._check_sold()
            length = self._offered.open.input_length
            with self._node.inputs.room(self._channel.channel_id, length, self._crowded_out) as self._room:
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
        retry_after_ms = int(error.values.get("retry_after_ms", 0))
        if self.connection is None:
            self._node.detached.shelf.fail(self._key, error, retry_after_ms)
        elif error.code is Code.UNCLAIMABLE:
            self.connection.refuse(error)
        else:
            self.connection.session.fail(self.stream, error, retry_after_ms=retry_after_ms)
            self.connection.pump()

    @property
    def _key(self) -> tuple[bytes, bytes]:
        return self._channel.channel_id, self._offered.open.request_id

    async def _work(self) -> None:
        node, wanted = self._node, self._offered.open
        if self._earlier is not None and self._earlier is not self:
            await asyncio.wait([self._earlier.task])
            self._earlier = None
        self._check()
        opening = node.ledger.open_request(self._channel.channel_id, wanted.request_id, self._offered.digest)
        self._opening = asyncio.ensure_future(opening)
        known = await asyncio.shield(self._opening)
        if known is not None:
            self._repeated(known)
            return
        if (connection := self.connection) is not None:
            connection.session.welcome(self.stream)
            connection.pump()
        data = await self._input
        with held(node.engine) as engine:  # the operator may change it, while money is waited for too
            await self._answer(engine, data)

    async def _answer(self, engine: Engine, data: bytes) -> None:
        """Counted, charged and run by one engine: that of the model that was asked for. Raises TallystickError."""
        wanted, scope = self._offered.open, self._channel.channel_id
        able = self._able(engine)
        if able.manifest != self._manifest:
            raise PeerError(Code.UNKNOWN_MODEL)
        task = Task(wanted.service, data, wanted.params, wanted.max_units, scope, model=wanted.model)
        units = await engine.count(task)
        # Whatever can refuse the request does so before its input is charged.
        connection = self._attached()
        await connection.prove()
        self._check_room(engine)
        load = engine.load(wanted.model)
        units = min(units, len(data) + able.template_units)  # more than the offer says would end the connection
        place, wait = min(load.place, MOST_PLACE), load.wait_ms
        connection.session.measure(self.stream, units, able.manifest, place=place, estimated_ms=wait)
        connection.pump()
        granted = await self._granted
        await self._channel.store_owed(self._node.ledger)  # what its input costs, before any work
        await self._serve(engine, replace(task, max_units=granted, charged=True))

    def _repeated(self, known: RequestRow) -> None:
        """The id was used before, also by an earlier process: nothing is done or billed a second time. Raises PeerError
        REQUEST_CONFLICT.
        """
        if known.digest != self._offered.digest:
            raise PeerError(Code.REQUEST_CONFLICT)
        connection = self._attached()
        connection.session.gone(self.stream)
        connection.pump()

    def _attached(self) -> Connection:
        """Before it is accepted a job has the connection that began it."""
        if self.connection is None:
            raise asyncio.CancelledError
        return self.connection

    def _check(self) -> None:
        """It is what is sold here, and the engine has room. Raises PeerError."""
        self._check_sold()
        if self._node.draining:
            raise PeerError(Code.DRAINING)
        self._check_room(self._node.engine)

    def _check_sold(self) -> None:
        """Its wallet is served now, and service, model (to its files) and price are as announced: seen before room is
        taken from others for its input. Raises PeerError.
        """
        node, wanted = self._node, self._offered.open
        if node.renting is not None:
            node.renting.check(self._channel.offered.config.payer)
        able = self._able(node.engine)
        self._manifest = able.manifest
        if wanted.service not in able.services:
            raise PeerError(Code.UNKNOWN_SERVICE)
        offer = node.profile.offer(wanted.model)
        asked = Price(int.from_bytes(wanted.price_in, "big"), int.from_bytes(wanted.price_out, "big"))
        if offer.manifest != able.manifest:
            raise PeerError(Code.UNKNOWN_MODEL)
        if asked != offer.price:
            raise PeerError(Code.PRICE_CHANGED)
        if wanted.max_units < 1:
            raise PeerError(Code.BAD_REQUEST)

    def _able(self, engine: Engine) -> Capabilities:
        """Of the model that is asked for. Raises PeerError UNKNOWN_MODEL."""
        for able in engine.models():
            if able.model == self._offered.open.model:
                return able
        raise PeerError(Code.UNKNOWN_MODEL)

    def _check_room(self, engine: Engine) -> None:
        model = self._offered.open.model
        if engine.busy(model, self._channel.channel_id):
            load = engine.load(model)
            code = Code.BUSY if load.slots else Code.ENGINE_FAILED  # no slots at all: what makes the answers is down
            raise PeerError(code, retry_after_ms=max(RETRY_MS, load.wait_ms))

    async def _serve(self, engine: Engine, task: Task) -> None:
        async with engine.run(task) as run:
            self._run, run.gate = run, self._may_make
            if self._stopped:
                return
            async for event in run:
                if isinstance(event, Piece):
                    self._give(event)
                elif isinstance(event, Finish) and not self._stopped:
                    self._finish(event)
                if self.connection is not None and self.connection.session.shape.full_rate:
                    self.connection.pump()

    @property
    def made(self) -> int | None:
        """Units that its engine made or is making; None before it began."""
        return self._run.made if self._run is not None else None

    def _may_make(self, units: int) -> bool:
        """The engine runs no further ahead of the money than the window, over all streams of the channel, and of what
        goes at full rate not far ahead of its socket. Detached, it ends there.
        """
        held, account = self._held, self._channel.account
        assert self._run is not None
        if not held.started or held.finish:
            return True
        made = self._channel.made_with(self._offered.open.request_id, self._run.made + units, self._node.detached.shelf)
        held.blocked = units if made > min(account.cap, account.durable + account.window) else 0
        if held.blocked and self.connection is None:
            self._node.detached.shelf.used_up(self._key)
            self._node.detached.pump()
        crowded = not held.resumable and sum(len(piece) for piece, _, _ in held.pending) > MADE_AHEAD
        return not held.blocked and not crowded

    def _give(self, piece: Piece) -> None:
        if self._held.started and not self._held.finish:
            self._held.add(piece.data, piece.units, piece.kind)
        if self.connection is None:
            self._node.detached.shelf.fed(self._key)
            self._node.detached.pump()

    def _finish(self, event: Finish) -> None:
        if event.error is not None or event.reason is Reason.ERROR:
            raise event.error or LocalError(Code.ENGINE_FAILED)
        if self._held.started and not self._held.finish:
            self._held.finish = event.reason.value
