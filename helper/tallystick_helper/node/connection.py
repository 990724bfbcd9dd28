"""One public connection: a `ProviderSession`, its socket, and what the node does for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from tallystick_shared import limits
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.session.events import (
    AuthOffered,
    CloseAsked,
    Event,
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
from tallystick_shared.session.provider import ProviderSession
from tallystick_shared.session.tables import ConnectionState

from .channel import LiveChannel
from .farewell import Farewell
from .gate import Stranger
from .job import Job

if TYPE_CHECKING:
    from .service import Node

AUTH_DEADLINE = limits.AUTH_DEADLINE.value
SEND_QUEUE = limits.SEND_QUEUE.value
GUEST_QUEUE = SEND_QUEUE // 2
FULL_RATE_QUEUE = 64 * 1024
log = structlog.get_logger(__name__)


class Socket(Protocol):
    """A WebSocket of binary messages. `stranger` is its place at the gate since its first moment; None where it has
    none yet.
    """

    stranger: Stranger | None

    async def receive(self) -> bytes | None:
        """The next message; None once it is closed."""

    async def send(self, message: bytes) -> None:
        """Sends, waiting where the peer does not read. Raises OSError once it is closed."""

    async def close(self) -> None:
        """Closes. May be called twice."""

    def abort(self) -> None:
        """Cuts it at once, without a goodbye: `receive` gives None. May be called at any time."""


class Connection:
    """Drives one session until its socket closes."""

    def __init__(self, node: Node, socket: Socket, address: str, waited: float = 0.0) -> None:
        self.node = node
        parts = (node.crypto, node.identity, node.now(), node.tickets, node.gate.answer)
        self.session = ProviderSession(*parts, node.detached.shelf)
        self.channel: LiveChannel | None = None
        self.opened_at = node.ticker.now()
        self.idle = asyncio.Event()
        """Set while no request is under way."""
        self.idle.set()
        self.gone = asyncio.Event()
        self._socket = socket
        self._address = address
        self._patience = max(0.0, AUTH_DEADLINE - waited)
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queued = 0
        self._stranger: Stranger | None = None
        self._farewell = Farewell(lambda: self._queued, self._sever)
        self._drained = asyncio.Event()
        self._jobs: dict[int, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: asyncio.Task[None] | None = None
        self._authing: asyncio.Task[None] | None = None
        self._handlers: dict[type[Event], Callable[[Any], object]] = {
            Keyed: self._keyed,
            AuthOffered: self._auth_offered,
            GuestAsked: lambda event: self._spawn(self._serve_guest(event)),
            RequestOffered: self._request_offered,
            InputComplete: lambda event: self._give(event.stream, lambda job: job.give_input(event.data)),
            RequestReady: lambda event: self._give(event.stream, lambda job: job.grant(event.units)),
            Stopped: lambda event: self._give(event.stream, Job.stop),
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

    async def at_rest(self) -> None:
        """Waits until all that was begun for this connection is done: above all, its vouchers are on disk."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _write(self) -> None:
        try:
            while (message := await self._queue.get()) is not None:
                await self._socket.send(message)
                self._queued -= len(message)
                self._drained.set()
                if self.session.shape.full_rate and not self.session.closed:
                    self.pump()
        except OSError:
            # What the peer sent before it went, vouchers above all, is read first; then `receive` tells the same.
            return
        except asyncio.CancelledError:
            await self._socket.close()
            raise
        await self._socket.close()

    def _too_late(self) -> None:
        if self.session.state in (ConnectionState.NEW, ConnectionState.KEYED):
            self.end(PeerError(Code.TIMED_OUT))

    # -- the session

    def tick(self, now: float) -> None:
        """Called by the node's one timer."""
        try:
            self.session.crowded = self._queued >= FULL_RATE_QUEUE
            self.session.tick(now)
            self.pump()
        except Exception:
            # One connection's fault must not stop the timer of all.
            log.exception("connection_failed")
            self.session.lost(LocalError(Code.ENGINE_FAILED))
            self.pump()

    def pump(self) -> None:
        """Does what the session wants: its events, its messages, its next deadline."""
        self._act()
        while self._queued < FULL_RATE_QUEUE and self.session.more(self.node.ticker.now()):
            self._act()
        for job in self._jobs.values():
            job.look()
        if self._queued > SEND_QUEUE:
            self._cut()
        if self.session.closed:
            self._over()
        else:
            self._keep_owed()
            self.node.ticker.want(self, self.session.next_deadline())

    def _act(self) -> None:
        while events := self.session.events():
            for event in events:
                handler = self._handlers.get(type(event))
                if handler is not None:
                    handler(event)
        for message in self.session.outgoing():
            self._queued += len(message)
            self._queue.put_nowait(message)

    def _over(self) -> None:
        """What is left to say leaves; what only this connection waited for is not waited for any more."""
        self.node.detached.pump()
        self.node.ticker.want(self, None)
        self._queue.put_nowait(None)
        self._drained.set()
        if self._authing is not None:
            self._authing.cancel()
        self._farewell.begin()

    def _keep_owed(self) -> None:
        """What was sent against money that came in advance goes to disk too: a crash must not forget it."""
        channel = self.channel
        if channel is not None and channel.account.unstored and not channel.storing:
            channel.storing = True
            self._spawn(self._store_owed(channel))

    async def _store_owed(self, channel: LiveChannel) -> None:
        try:
            await channel.store_owed(self.node.ledger)
        finally:
            channel.storing = False

    def _sever(self) -> None:
        self._socket.abort()
        if self._writer is not None:
            self._writer.cancel()

    def _cut(self) -> None:
        """Ends the connection without a goodbye: the peer does not read, so none would reach it."""
        self._sever()
        if not self.session.closed:
            self.session.lost(PeerError(Code.TIMED_OUT))
            self.pump()

    def refuse(self, error: TallystickError) -> None:
        """Ends the connection with an error that its client can read."""
        self.session.refuse(error)
        self.pump()

    def end(self, error: TallystickError) -> None:
        """Ends the connection, told to the client only where it has a key."""
        if self.session.state is ConnectionState.NEW:
            self._socket.abort()
            self.session.lost(error)
            self.pump()
        else:
            self.refuse(error)

    def _give(self, stream: int, action: Callable[[Job], None]) -> None:
        job = self._jobs.get(stream)
        if job is not None:
            action(job)

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guarded(work))
        task.add_done_callback(lambda _: work.close())  # where it was cancelled before it began
        return self._keep(task)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except TallystickError as error:
            # Strangers must not be able to fill a disk with what is said of them.
            (log.debug if self.channel is None else log.info)("refused", code=error.code.name)
            self.refuse(error)
        except RpcError as error:
            log.warning("chain_refused", reason=error.message[:200])
            self.refuse(LocalError(Code.UNKNOWN_CHANNEL))
        except Exception as error:
            log.exception("connection_failed", kind=type(error).__name__)
            self.refuse(LocalError(Code.ENGINE_FAILED))

    # -- events

    def _request_offered(self, event: RequestOffered) -> None:
        assert self.channel is not None
        self._adopt(event.stream, Job(self, self.channel, event))

    def _adopt(self, stream: int, job: Job) -> None:
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
        self._spawn(self._record(event))

    async def _record(self, event: StreamDone) -> None:
        channel = self.channel
        assert channel is not None
        owed = channel.account.owed
        if event.accepted:
            await self.node.ledger.finish_request(channel.channel_id, event.request_id, event.units, event.finish, owed)
            channel.account.store(owed)
        else:
            await channel.store_owed(self.node.ledger)

    async def _close_asked(self, event: CloseAsked) -> None:
        """What the channel's other connections would still be served could never be claimed, so they end first. A
        final voucher below what is owed then gives way to the best that any connection ever brought.
        """
        channel = self.channel
        assert channel is not None
        if self.session.closed:  # another connection's CLOSE came first, and waits for this task
            return
        self.node.detached.pump()
        others = [other for other in channel.connections if other is not self]
        for other in others:
            other.end(PeerError(Code.CHANNEL_ENDED))
        for other in others:
            await other.at_rest()
        final, row = event.voucher, await self.node.ledger.channel(channel.channel_id)
        if row is not None and final.amount < min(channel.account.due, row.voucher.amount):
            final = row.voucher
        await self.node.till.close(channel, final, self._closing)

    async def _closing(self, transaction: bytes) -> None:
        self.session.close_ok(transaction)
        self.pump()
