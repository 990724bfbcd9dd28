"""A user of a provider: dials, proves its deposit, asks, pays. The page and the terminal both are this, over
different seats.

Nothing here knows a browser or an operating system. A `Host` dials and tells the time, a `Store` keeps what must
not be lost; `emit` gets every
event of the session as it happens. A `Line` is what asks at all; `trial` has the guest's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from . import limits as table
from .crypto import Crypto
from .deposit import Deposit
from .errors import Code, LocalError, PeerError, TallystickError
from .messages import amount_int
from .profile import Offer, Profile
from .records import ALONE, LOW_LATENCY, RICH, Hello
from .session import ClientLimits, ClientSession, Request, Resume
from .session.events import (
    Accepted,
    Closed,
    Dropped,
    Event,
    Finished,
    Keyed,
    Output,
    Ready,
    Refused,
    VoucherDue,
)
from .session.tables import LIVE, ConnectionState
from .session.tickets import NO_TICKET
from .user_seats import Host, Socket, SocketClosed, Store, agreed_limits

CONNECT_TIMEOUT = 10.0
SILENCE_TIMEOUT = 15.0
STOP_TIMEOUT = 15.0
STALL_TIMEOUT = 300.0
CLOSE_TIMEOUT = 60.0
WAIT = 0.25
REST = 0.1
"""Seconds between two looks whether a connection rests, for whoever asks for traffic of another class."""
MAX_TICKETS = 4
RETURN_WITHIN = table.KEPT_TIME.value
"""So long after a drop a provider may still hold what was under way."""
RETURN_DELAYS = (0.25, 5.0)
"""Seconds between attempts to dial again: the first, then twice as long each time up to the last."""
RENEW_AFTER = table.SESSION.value - 300.0
RENEW_AGAIN = 60.0
RETURNABLE = frozenset({Code.TRUNCATED, Code.TIMED_OUT, Code.TOO_MANY_CONNECTIONS, Code.PROVIDER_GONE})
"""After these a connection may be made again. Whoever was replaced, or altered on the way, is not."""


class Line(ABC):
    """One connection to a provider, whoever asks there. `run` does everything; the other methods ask it to."""

    def __init__(
        self, crypto: Crypto, host: Host, profile: Profile, session: ClientSession, emit: Callable[[Event], None]
    ) -> None:
        self._crypto, self._host, self._profile, self._emit = crypto, host, profile, emit
        self.session = session
        self._endpoint = ""
        """The one that answered last."""
        self._socket: Socket | None = None
        self._flushing: Socket | None = None
        self._closing = False
        self._closing_since: float | None = None
        self._tickets: tuple[bytes, ...] = ()
        self._asking: list[Request] = []
        self._started = 0.0
        self._heard = 0.0
        self._renew_at = 0.0
        self._next: Socket | None = None
        """One that was dialled to take the place of the one in use."""
        self._over = False
        self._stuck = False
        self._dropped: tuple[float, TallystickError] | None = None
        """Since when, and why, we are away; None again once something arrives that is no filler."""
        self._delay = 0.0
        self._left = False
        self.calling = True
        """Is the connection still to be made, or made again? Nobody hears a goodbye then: who leaves cancels `run`."""
        self.ready = False

    # -- what differs by who asks

    @abstractmethod
    def _check_profile(self) -> None:
        """Before it is dialled. Raises PeerError where this profile is not the one to go by."""

    @abstractmethod
    def _enter(self) -> None:
        """The handshake is done: says who comes."""

    @abstractmethod
    async def _save(self, amount: int) -> None:
        """Keeps that so much may be signed; durable when it returns."""

    def _may_return(self) -> bool:
        """May what is under way go on over another connection?"""
        return self.session.can_resume

    def _offer(self, model: str) -> Offer:
        """At which price it is asked. Raises PeerError UNKNOWN_MODEL."""
        return self._profile.offer(model)

    # -- the connection

    async def run(self) -> None:
        """Connects and serves the connection until it ends. The last event is always Closed; nothing is raised for
        the peer's faults.
        """
        try:
            await self._serve()
        finally:
            self._over = True
            for socket in (self._socket, self._next):
                if socket is not None:
                    await socket.close()

    async def _serve(self) -> None:
        try:
            self._socket = await self._dial()
            self.session.start(self._ticket())
        except TallystickError as error:
            self.calling = False
            self.session.lost(error)
        else:
            self._connected()
            await self._flush()
            await self._steps()
            while self._dropped is not None and await self._return():
                await self._steps()
            self._give_up()
        await self._deliver()
        await self._flush()

    async def _steps(self) -> None:
        while not self.session.closed:
            await self._step()
        await self._flush()

    def _connected(self) -> None:
        now = self._host.monotonic()
        self.calling = False
        self._started = self._heard = self.session.now = self.session.progressed = now
        self._renew_at = now + RENEW_AFTER

    # -- another connection instead of this one

    async def _return(self) -> bool:
        """Dials again after a drop, for as long as the provider may hold what was under way, and nobody leaves. False
        where it is in vain.
        """
        assert self._dropped is not None and self._socket is not None
        self.calling, (since, _) = True, self._dropped
        await self._socket.close()
        while self._host.monotonic() + self._delay - since < RETURN_WITHIN:
            if self._delay:
                await self._host.sleep(self._delay)
            if self._left:
                break
            self._delay = min(max(2 * self._delay, RETURN_DELAYS[0]), RETURN_DELAYS[1])
            try:
                socket = await self._dial()
            except TallystickError:
                continue
            await self._move(socket)
            return True
        self.calling = False
        return False

    def _give_up(self) -> None:
        """Nobody comes back to what was under way when the connection dropped."""
        if self._dropped is not None:
            error, self._dropped = self._dropped[1], None
            self._emit(Closed(error))

    async def _renew(self) -> None:
        """A connection lives for an hour. What is under way moves to a new one in time, with new keys; where none can
        be had now, it is tried again. The dial runs beside what is under way, and goes where it is connected.
        """
        if self._host.monotonic() > self._renew_at and self.ready and self.session.live:
            self._renew_at = self._host.monotonic() + RENEW_AGAIN
            self._host.beside(self._redial())
        if (socket := self._next) is None:
            return
        self._next, older = None, self._socket
        if self._left or not self.ready or not self.session.live:  # who has nothing under way needs none
            older = socket
        else:
            await self._move(socket)
        if older is not None:
            await older.close()

    async def _redial(self) -> None:
        try:
            socket = await self._dial(self._endpoint)
        except TallystickError:
            return
        if self._over:
            await socket.close()
        else:
            self._next = socket

    async def _move(self, socket: Socket) -> None:
        """Goes on over this one, unless somebody left while it was dialled."""
        if self._left:
            await socket.close()
            return
        self.session, self._socket, self.ready = self.session.successor(), socket, False
        self._connected()
        self.session.start(self._ticket())
        await self._flush()

    def _drops(self, error: TallystickError) -> bool:
        """Did the connection end in a way that another one may mend?"""
        if error.code not in RETURNABLE or self._stuck or not self._may_return():
            return False
        if self._dropped is None:
            self._dropped = (self._host.monotonic(), error)
        return True

    async def ask(self, service: str, params: bytes, data: bytes, model: str, max_units: int) -> int:
        """Opens a stream and sends its input, once what runs of another class of traffic is over. Returns its number;
        answers come as events. Raises TallystickError.
        """
        request = Request(self._crypto.random(16), service, params, data, self._offer(model), max_units)
        self._can_ask()
        while not self.session.takes(service):
            await self._host.sleep(REST)
            self._can_ask()
        amount = self.session.first_amount(request)
        self._asking.append(request)
        try:
            await self._save(amount)
        finally:
            self._asking.remove(request)
        self.session.now = self._host.monotonic()
        self._heard = self.session.now
        stream = self.session.open(request, amount)
        await self._flush()
        return stream

    def _can_ask(self) -> None:
        if not self.session.asks:
            raise LocalError(Code.PROVIDER_GONE)

    async def stop(self, stream: int) -> None:
        """Stops an answer; what arrived is kept and paid."""
        self.session.cancel(stream)
        await self._flush()

    async def close_deposit(self) -> None:
        """Asks the provider to close the deposit once running answers have stopped. CloseAccepted follows. Raises
        PROVIDER_GONE.
        """
        if self.session.closed:
            raise LocalError(Code.PROVIDER_GONE)
        self._closing, self._closing_since = True, self._host.monotonic()
        for stream in list(self.session.streams):
            self.session.cancel(stream)
        await self._flush()

    async def disconnect(self) -> None:
        """Says goodbye; the deposit stays. While it is `calling` that ends, and Closed comes at once."""
        self._left = True
        if self.calling:
            self._give_up()
        self.session.bye()
        await self._deliver()
        await self._flush()

    async def _dial(self, *endpoints: str) -> Socket:
        """At the first of these that answers; of all, where none are named."""
        if self._profile.least_suite > self.session.hello.suite:
            raise PeerError(Code.BAD_SUITE, suite=self._profile.least_suite)
        self._check_profile()
        error: TallystickError = PeerError(Code.PROVIDER_GONE)
        for endpoint in endpoints or self._profile.endpoints:
            try:
                socket = await self._host.dial(endpoint)
            except TallystickError as failed:
                error = failed
            else:
                self._endpoint = endpoint
                return socket
        raise error

    async def _step(self) -> None:
        """Waits for a message or for time, then does what follows."""
        assert self._socket is not None
        now = self._host.monotonic()
        deadline = self.session.next_deadline()
        wait = WAIT if deadline is None else min(WAIT, max(0.0, deadline - now))
        try:
            message = await self._socket.receive(wait)
        except SocketClosed:
            cut = self.session.live
            self.session.lost(PeerError(Code.TRUNCATED if cut else Code.PROVIDER_GONE))
            message = None
        now = self._host.monotonic()
        if message is not None:
            self._heard = now
            self.session.receive(message, now)
        self.session.tick(now)
        self._check_silence(now)
        await self._deliver()
        await self._maybe_close()
        await self._renew()
        await self._flush()

    def _check_silence(self, now: float) -> None:
        late = not self.ready and now - self._started > CONNECT_TIMEOUT
        self._stuck = self.session.live and self._stalled(now)
        if late or self._stuck or (self.session.live and now - self._heard > SILENCE_TIMEOUT):
            self.session.lost(PeerError(Code.TIMED_OUT))
        elif self._closing_since is not None and now - self._closing_since > CLOSE_TIMEOUT:
            self.session.lost(PeerError(Code.CLOSE_FAILED))

    def _stalled(self, now: float) -> bool:
        """Filler keeps coming and nothing else: a queue may take long, the end of what was stopped may not."""
        going = any(held.state in LIVE for held in self.session.streams.values())
        return now - self.session.progressed > (STALL_TIMEOUT if going else STOP_TIMEOUT)

    async def _deliver(self) -> None:
        for event in self.session.events():
            if isinstance(event, Closed) and event.error is not None and self._drops(event.error):
                self.ready = False
                event = Dropped(event.error)
            elif isinstance(event, Closed | Accepted | Output | Finished | Refused):
                self._dropped, self._delay = None, 0.0
            if isinstance(event, Keyed):
                self._enter()
            elif isinstance(event, Ready):
                self.ready = True
                self._tickets = (event.tickets + self._tickets)[:MAX_TICKETS]
            elif isinstance(event, VoucherDue):
                await self._save(event.amount)
                self.session.send_voucher(event.amount)
            elif isinstance(event, Finished | Refused) and not self.session.live:
                await self._save(self.session.signed)
            self._emit(event)
            if isinstance(event, Closed):
                self.ready = False

    def _ticket(self) -> bytes:
        """One from an earlier connection of this deposit, never to be shown again."""
        ticket, self._tickets = (self._tickets or (NO_TICKET,))[0], self._tickets[1:]
        return ticket

    async def _maybe_close(self) -> None:
        if self._closing and self.session.state is ConnectionState.READY and not self.session.live:
            self._closing = False
            await self._save(self.session.purse.final)
            self.session.close()

    async def _flush(self) -> None:
        """Sends in order, also when two callers meet: whoever comes second leaves it to the first."""
        socket, session = self._socket, self.session
        if socket is None or self._flushing is socket:
            return
        self._flushing = socket
        try:
            while messages := session.outgoing():
                for message in messages:
                    await socket.send(message)
        except SocketClosed:
            # What arrived before it closed is read first; then `receive` tells the same.
            return
        finally:
            if self._flushing is socket:
                self._flushing = None


class User(Line):
    """A connection to the provider of one deposit, which pays."""

    def __init__(
        self,
        crypto: Crypto,
        host: Host,
        store: Store,
        deposit: Deposit,
        profile: Profile,
        emit: Callable[[Event], None],
        *,
        limits: ClientLimits | None = None,
        low_latency: bool = False,
        rich: bool = False,
    ) -> None:
        flags = ALONE | (LOW_LATENCY if low_latency else 0) | (RICH if rich else 0)
        hello = Hello(deposit.chain_id, deposit.registry, deposit.provider, flags=flags)
        limits = limits or agreed_limits(deposit, profile)
        session = ClientSession(crypto, hello, profile.node_key, limits, amount_int(profile.first_voucher))
        super().__init__(crypto, host, profile, session, emit)
        self._store, self._deposit = store, deposit
        self._account_id = deposit.account_id(crypto)
        self._resume = Resume()
        self._kept = 0

    async def run(self) -> None:
        self._resume = await self._store.load(self._account_id) or Resume()
        self._kept, self._tickets = self._resume.signed, self._resume.tickets
        await super().run()

    def _check_profile(self) -> None:
        agreed = self._deposit.agreed
        if agreed is not None and self._profile.epoch < agreed.epoch:
            raise PeerError(Code.BAD_PROFILE, reason="older than the one the deposit was made for")

    def _enter(self) -> None:
        held = self._deposit
        self.session.authenticate(held.proof(), held.cap, self._resume, self._host.wall())

    async def _save(self, amount: int) -> None:
        """Never a lower amount than an earlier save, nor without a request that is about to leave: callers may meet
        here.
        """
        purse = self.session.purse
        self._kept = max(self._kept, amount, purse.signed)
        waiting = purse.waiting + sum(request.most_input for request in self._asking)
        in_flight = self.session.live or bool(self._asking)
        await self._store.save(
            self._account_id,
            Resume(self._kept, purse.account.owed, in_flight, waiting, purse.unseen, self._tickets),
        )
