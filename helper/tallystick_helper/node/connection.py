"""One public connection: a `ProviderSession`, its socket, and what the node does for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from tallystick_shared import limits
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.session.events import (
    AuthOffered,
    CloseAsked,
    GuestAsked,
    InputComplete,
    Keyed,
    RequestOffered,
    RequestReady,
    Stopped,
    StreamDetached,
    StreamDone,
    StreamResumed,
    VoucherReceived,
)
from tallystick_shared.session.greeting import greets
from tallystick_shared.session.guest import PIECE
from tallystick_shared.session.tables import ConnectionState
from tallystick_shared.voucher import Signed

from .channel import LiveChannel
from .driven import SEND_QUEUE, Driven, Socket
from .gate import Stranger
from .job import Job
from .trial_job import TrialJob
from .work import Work

if TYPE_CHECKING:
    from .service import Node

AUTH_DEADLINE = limits.AUTH_DEADLINE.value
GUEST_QUEUE = SEND_QUEUE // 2
log = structlog.get_logger(__name__)


class Connection(Driven):
    """Drives one session until its socket closes."""

    def __init__(self, node: Node, socket: Socket, address: str, waited: float = 0.0) -> None:
        super().__init__(node, socket)
        self.opened_at = node.ticker.now()
        self.idle = asyncio.Event()
        """Set while no request is under way."""
        self.idle.set()
        self.gone = asyncio.Event()
        self._address = address
        self._patience = max(0.0, AUTH_DEADLINE - waited)
        self._stranger: Stranger | None = None
        self._jobs: dict[int, Work] = {}
        self._handlers = {
            Keyed: self._keyed,
            AuthOffered: self._auth_offered,
            GuestAsked: lambda event: self._spawn(self._serve_guest(event)),
            RequestOffered: self._request_offered,
            InputComplete: lambda event: self._give(event.stream, lambda job: job.give_input(event.data)),
            RequestReady: lambda event: self._give(event.stream, lambda job: job.grant(event.units)),
            Stopped: lambda event: self._give(event.stream, lambda job: job.stop()),
            StreamDone: self._stream_done,
            StreamDetached: lambda event: self._let_go(event.stream),
            StreamResumed: self._stream_resumed,
            VoucherReceived: lambda event: self._spawn(self._voucher(event)),
            CloseAsked: lambda event: self._spawn(self._close_asked(event)),
        }

    # -- the socket

    async def serve(self) -> None:
        """Reads until the socket or the session ends; then everything that ran is stopped and what is owed is
        stored.
        """
        stranger = self._stranger = self._socket.stranger or self.node.gate.enter(self._address, self._evict)
        stranger.evict = self._evict
        deadline = asyncio.get_running_loop().call_later(self._patience, self._too_late)
        self._writer = asyncio.create_task(self._write())
        try:
            while not self.session.closed:
                message = await self._socket.receive()
                if message is None:
                    break
                self._take(message)
                self.pump()
                if self._authing is not None:
                    deadline.cancel()
                    await asyncio.wait([self._authing])
                    self._authing = None
                    if self.channel is not None:
                        self.node.gate.leave(stranger)
        finally:
            deadline.cancel()
            if self._socket.stranger is None:
                self.node.gate.leave(stranger)
            self.session.lost()
            self.pump()
            await self._wind_up(self._writer)

    def _take(self, message: bytes) -> None:
        """What is cheap to see is seen before a handshake is counted, and that before any of it is done."""
        if self.session.state is ConnectionState.NEW and greets(self.node.identity, message):
            try:
                self.node.gate.shake(self._address)
            except PeerError as error:
                self.session.turn_away(error)
                return
        self.session.receive(message, self.node.ticker.now())

    @property
    def heard_at(self) -> float:
        """When the client last said anything, by the ticker's clock; PAD, PING and PONG are nothing."""
        return max(self.opened_at, self.session.heard)

    @property
    def working(self) -> bool:
        """Does the engine work for it, or has work for it in its queue? Then nothing needs to be said."""
        return any(job.given for job in self._jobs.values())

    def _evict(self) -> None:
        """Its place is needed by somebody else."""
        self.end(PeerError(Code.TOO_MANY_CONNECTIONS))

    async def _wind_up(self, writer: asyncio.Task[None]) -> None:
        self.node.ticker.want(self, None)
        await self.at_rest()
        if self.channel is not None:
            await self.node.leave(self, self.channel)
        self._queue.put_nowait(None)
        await asyncio.wait([writer], timeout=2.0)
        writer.cancel()

    def _too_late(self) -> None:
        if self.session.state in (ConnectionState.NEW, ConnectionState.KEYED):
            self.end(PeerError(Code.TIMED_OUT))

    # -- the session

    def _look(self) -> None:
        for job in self._jobs.values():
            job.look()

    def _give(self, stream: int, action: Callable[[Work], None]) -> None:
        job = self._jobs.get(stream)
        if job is not None:
            action(job)

    # -- events

    def _request_offered(self, event: RequestOffered) -> None:
        if self.channel is None:
            self._adopt(event.stream, TrialJob(self, event, self._address))
        else:
            self._adopt(event.stream, Job(self, self.channel, event))

    def _adopt(self, stream: int, job: Work) -> None:
        job.connection, job.stream = self, stream
        self._jobs[stream] = job
        self.idle.clear()
        self._keep(job.task)

    def _keyed(self, event: Keyed) -> None:
        if event.ticket_holder and self._stranger is not None:
            self.node.gate.know(self._stranger)

    def _let_go(self, stream: int) -> None:
        """A stream's work goes on without this connection."""
        job = self._jobs.pop(stream, None)
        if job is not None:
            job.connection = None
            job.look()
            self._tasks.discard(job.task)
        if not self._jobs:
            self.idle.set()

    def _stream_resumed(self, event: StreamResumed) -> None:
        assert self.channel is not None
        job = self.channel.jobs.get(event.request_id)
        if job is not None:
            if job.connection is not None:
                job.connection._let_go(job.stream)
            self._adopt(event.stream, job)
        self.node.detached.pump()

    def _auth_offered(self, event: AuthOffered) -> None:
        self._authing = self._spawn(self._admit(event))

    async def _admit(self, event: AuthOffered) -> None:
        try:
            self.channel, highest = await self.node.admit(self, event)
        except LocalError as error:
            if error.code is Code.RPC_UNREACHABLE:
                raise PeerError(Code.UNKNOWN_CHANNEL) from error
            raise
        if not self.session.closed:
            self.session.accept_auth(self.channel.account, highest)
            self.pump()

    async def _serve_guest(self, event: GuestAsked) -> None:
        """The answer, no faster than it is read, within its service's time."""
        guests = self.node.guests
        if guests is None:
            raise PeerError(Code.UNKNOWN_SERVICE)
        data = await guests.answer(event.service, event.params, self._address)
        if len(data) > event.most:
            raise PeerError(Code.TOO_LARGE, limit=event.most)
        deadline = asyncio.get_running_loop().call_later(guests.limits[event.service].seconds, self._cut)
        try:
            for at in range(0, len(data), PIECE):
                while self._queued > GUEST_QUEUE and not self.session.closed:
                    self._drained.clear()
                    await self._drained.wait()
                self.session.guest_data(data[at : at + PIECE])
                self.pump()
            self.session.guest_end()
            self.pump()
            if self._writer is not None:
                await asyncio.wait([self._writer])
        finally:
            deadline.cancel()

    async def prove(self) -> None:
        """Before the first unit is served: a claim of the highest voucher pays. Raises PeerError UNCLAIMABLE."""
        assert self.channel is not None
        me = self.node.identity
        await self.channel.prove(self.node.admission, me.payee, me.operator, self.session.highest)

    async def _voucher(self, event: VoucherReceived) -> None:
        assert self.channel is not None
        me = self.node.identity
        await self.channel.prove(self.node.admission, me.payee, me.operator, event.voucher)
        await self.node.confirm(self.channel, event.voucher)
        await self.channel.store_voucher(self.node.ledger, event.voucher)
        self.session.voucher_durable(event.voucher)
        self.pump()

    def _stream_done(self, event: StreamDone) -> None:
        job = self._jobs.pop(event.stream, None)
        if not self._jobs:
            self.idle.set()
        if job is not None:
            job.abandon()
        if self.channel is not None:  # of what was given away nothing is kept
            self._spawn(self._record(event))

    async def _record(self, event: StreamDone) -> None:
        channel = self.channel
        assert channel is not None
        owed = channel.account.owed
        earned = self.node.earned(channel, event.request_id, event.units, event.amount, event.input_units)
        if event.accepted:
            await self.node.ledger.finish_request(
                channel.channel_id, event.request_id, event.units, event.finish, owed, earned
            )
            channel.account.store(owed)
        else:
            await channel.store_owed(self.node.ledger)

    async def _close_asked(self, event: CloseAsked) -> None:
        """Nobody comes in from here on, unless the close fails: the mark is set before anything is waited for, and
        taken back only here, where it was set.
        """
        channel = self.channel
        assert channel is not None
        if self.session.closed:  # another connection's CLOSE came first, and waits for this task
            return
        if channel.ending:
            raise PeerError(Code.CLOSE_FAILED, reason="under way")
        channel.ending = True
        try:
            transaction = await self.node.till.close(channel, await self._final(channel, event.voucher))
        except BaseException:
            channel.ending = self.node.till.is_closing(channel.channel_id)
            raise
        self.session.close_ok(transaction)
        self.pump()

    async def _final(self, channel: LiveChannel, voucher: Signed) -> Signed:
        """What to close for. What the channel's other connections would still be served could never be claimed, so
        they end first. A final voucher below what is owed then gives way to the best that any of them ever brought.
        """
        self.node.detached.pump()
        others = [other for other in channel.connections if other is not self]
        for other in others:
            other.end(PeerError(Code.CHANNEL_ENDED))
        for other in others:
            await other.at_rest()
        row = await self.node.ledger.channel(channel.channel_id)
        if row is not None and voucher.amount < min(channel.account.due, row.voucher.amount):
            return row.voucher
        return voucher
