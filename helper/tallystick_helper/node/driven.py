"""A provider's session on its socket: what leaves, in order and as fast as it is taken, and what was begun for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from tallystick_shared import limits
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.session.events import Event
from tallystick_shared.session.provider import ProviderSession
from tallystick_shared.session.tables import ConnectionState

from .channel import LiveChannel
from .farewell import Farewell
from .gate import Stranger

if TYPE_CHECKING:
    from .service import Node

SEND_QUEUE = limits.SEND_QUEUE.value
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


class Driven:
    """The half of `Connection` that knows nothing of what is served. `_handlers` get each event, then comes `_look`."""

    _handlers: Mapping[type[Event], Callable[[Any], object]]

    def __init__(self, node: Node, socket: Socket) -> None:
        self.node = node
        parts = (node.crypto, node.identity, node.now(), node.tickets, node.gate.answer)
        self.session = ProviderSession(*parts, node.detached.shelf)
        self.channel: LiveChannel | None = None
        self._socket = socket
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queued = 0
        self._farewell = Farewell(lambda: self._queued, self._sever)
        self._drained = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: asyncio.Task[None] | None = None
        self._authing: asyncio.Task[None] | None = None

    def _look(self) -> None:
        """Something happened, or time passed."""

    # -- what time and events want

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
        self._look()
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

    # -- the socket

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

    # -- what was begun

    async def at_rest(self) -> None:
        """Waits until all that was begun for this connection is done: above all, its vouchers are on disk."""
        while self._tasks:
            await asyncio.wait(self._tasks)

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
