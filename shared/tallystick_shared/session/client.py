"""The client's end of a connection: it proves a channel, asks, receives, and signs for exactly what it received."""

from __future__ import annotations

from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import (
    Cancel,
    Close,
    Open,
    Voucher,
    amount_bytes,
)
from tallystick_shared.records import Frame, Type
from tallystick_shared.voucher import Signed

from .client_stream import INPUT_RECORD, ClientStream
from .events import Keyed, Ready
from .greeting import Proof, make_auth, read_answer, write_hello
from .guest import Signer
from .listening import Listening
from .peer import PAD
from .requests import Request, Resume
from .shape import Cadence, Shape, shape_of
from .tables import (
    DROPPED_CLIENT,
    LIVE,
    ConnectionState,
    StreamState,
)
from .tickets import NO_TICKET

VOUCHER_LEAD = 0.2
UNANSWERED = LIVE | {StreamState.CANCELLED, StreamState.DETACHED}


class ClientSession(Listening):
    """One connection to one provider, on one channel.

    Order of calls: `start`, then `authenticate` on Keyed, then any number of `open`, `cancel`, `send_voucher`, and
    at last `close`. Or `visit` on Keyed, without a channel, and one `open` of what is given away.
    """

    @property
    def live(self) -> bool:
        """True while any stream has not ended."""
        return any(held.state in UNANSWERED for held in self.streams.values())

    @property
    def can_resume(self) -> bool:
        """True where something under way would go on over a new connection."""
        return any(held.state in UNANSWERED and (held.resumable or not held.accepted) for held in self.streams.values())

    def successor(self) -> ClientSession:
        """A session for another connection to the same provider, over which all that is under way here goes on. This
        one is over.
        """
        after = ClientSession(self.crypto, self.hello, self._node_key, self.purse.limits, self.purse.first)
        after.take_over(self)
        self.lost(LocalError(Code.REPLACED))
        self.events()
        return after

    def take_over(self, older: ClientSession) -> None:
        """Before `start`: what was under way on an older connection, and its money, go on here. Streams keep their
        numbers.
        """
        self.streams, self.purse, self._next_stream = older.streams, older.purse, older._next_stream
        older.streams = {}
        for held in self.streams.values():
            held.state = DROPPED_CLIENT[held.state]
        self._returning = True

    # -- handshake

    def start(self, ticket: bytes = NO_TICKET) -> None:
        """Sends HELLO and the first handshake message, with a ticket of this channel's, if there is one. Raises
        LocalError BAD_PROFILE; PROVIDER_GONE after the end.
        """
        if self.state is not ConnectionState.NEW:
            raise LocalError(Code.PROVIDER_GONE)
        self._opening, first = write_hello(self.crypto, self.hello, self._node_key, ticket)
        self._out.append(bytes([Frame.HELLO]) + first)
        self.state = ConnectionState.HELLO

    def _greeting(self, kind: int, body: bytes) -> None:
        if self.state is not ConnectionState.HELLO or self._opening is None:
            raise PeerError(Code.PROTOCOL, frame=kind)
        info = read_answer(self.crypto, self._opening, kind, body)
        self._start_transport(self._opening.noise)
        self.state = ConnectionState.KEYED
        self._events.append(Keyed(self.handshake_hash, info))

    def authenticate(self, proof: Proof, cap: int, resume: Resume, wall: int) -> None:
        """Proves the channel to this provider. `cap` is the most its payee can be paid, `wall` Unix time in seconds."""
        auth, self._payment = make_auth(self.crypto, self.hello, self.handshake_hash, proof, wall)
        self._proof = proof
        self._post(auth, at_once=True, size=INPUT_RECORD)
        self.state = ConnectionState.AUTHING
        if self._returning:
            self._resume_streams()
        else:
            self.purse.bring(cap, resume)

    def visit(self, signer: Signer) -> None:
        """Goes on without a channel: one stream of what this provider gives away, at no price. Ready follows; `signer`
        signs for the answer.
        """
        self._signer = signer
        self.state = ConnectionState.GUEST
        self._events.append(Ready(0, 0, 0))

    def _resume_streams(self) -> None:
        """In the same flight as AUTH. What was not accepted is opened again under its request id; what was cancelled
        is resumed to hear its end.
        """
        waiting = [(number, held) for number, held in self.streams.items() if held.state in UNANSWERED]
        if not waiting:
            return
        self._take_shape(shape_of(self.hello.flags, waiting[0][1].request.service))
        self._cadence.start(self.now)
        if self.signed:
            self.send_voucher(self.signed, at_once=True)
        else:
            self._send(PAD)
        for number, held in waiting:
            self._resuming.add(number)
            if held.state is StreamState.CANCELLED or held.accepted:
                self._resume_one(number, held)
            else:
                held.begin_again()
                self._post(_open_body(held.request), number, at_once=True, size=INPUT_RECORD)
                self._send_input(number, held)
        self._last_record = self.progressed = self.now

    def _resume_one(self, number: int, held: ClientStream) -> None:
        held.resuming = True
        self._post(held.resume_at(self.account), number, at_once=True, size=INPUT_RECORD)
        if held.state is StreamState.CANCELLED:
            self._post(Cancel(0), number, at_once=True)
        else:
            held.state = StreamState.RESUMED

    # -- asking

    def first_amount(self, request: Request) -> int:
        """The total that the voucher beside OPEN promises; store it, then `open` with it. Raises PeerError
        PRICE_CHANGED where the offer is dearer than agreed, ADVANCE_TOO_LARGE where its first voucher is.
        """
        self.purse.limits.check(request.offer)
        return self.purse.first_amount(request)

    def open(self, request: Request, amount: int) -> int:
        """Opens a stream and sends its input in the same flight. `amount` is the stored result of `first_amount`.
        Returns the stream's number. Raises LocalError PROVIDER_GONE, OTHER_TRAFFIC.
        """
        if not self.asks:
            raise LocalError(Code.PROVIDER_GONE)
        self._take_shape(shape_of(self.hello.flags, request.service))
        number, self._next_stream = self._next_stream, self._next_stream + 1
        self.purse.opened()
        held = self.streams[number] = ClientStream(request)
        self._cadence.start(self.now)
        self._post(_open_body(request), number, at_once=True, size=INPUT_RECORD)
        if amount > 0 and amount >= self.signed:
            self.send_voucher(amount, at_once=True)
        else:
            self._send(PAD)  # whether one is owed is nobody's business
        self._send_input(number, held)
        self._last_record = self.progressed = self.now
        return number

    @property
    def asks(self) -> bool:
        """May a stream be opened? A guest has one."""
        if self.state is ConnectionState.GUEST:
            return not self.streams
        return self.state in (ConnectionState.AUTHING, ConnectionState.READY)

    def takes(self, service: str) -> bool:
        """May it be asked for now? Not while the cadence of another class of traffic runs, to the end of its tail."""
        return shape_of(self.hello.flags, service) is self.shape or not self._cadence.running

    def _take_shape(self, shape: Shape) -> None:
        """Raises LocalError OTHER_TRAFFIC while the cadence of another class runs."""
        if shape is not self.shape:
            if self._cadence.running:
                raise LocalError(Code.OTHER_TRAFFIC)
            self.shape, self._cadence = shape, Cadence(shape.up)

    def send_voucher(self, amount: int, *, at_once: bool = False) -> None:
        """Signs and sends a total that the driver has stored. Raises LocalError ABOVE_CAP."""
        if amount > self.account.cap:
            raise LocalError(Code.ABOVE_CAP, amount=amount)
        self.purse.sign(amount)
        acknowledged = tuple((number, held.heard) for number, held in self.streams.items() if held.heard)[-8:]
        voucher = self._sign(amount)
        self._queue = type(self._queue)(record for record in self._queue if record.type != Type.VOUCHER)
        self._post(Voucher(amount_bytes(amount), voucher.signature, acknowledged), at_once=at_once)

    def _sign(self, amount: int) -> Signed:
        assert self._payment is not None and self._proof is not None
        return self._payment.sign(self.crypto, self._proof.key, amount)

    def close(self) -> None:
        """Asks the provider to close the channel for exactly what is owed. Store `purse.final` first where it is
        above `signed`.
        """
        if self.state is not ConnectionState.READY:
            raise LocalError(Code.PROVIDER_GONE)
        amount = self.purse.final
        signature = self._sign(amount).signature if amount else b""
        self.purse.sign(amount)
        self._post(Close(amount_bytes(amount), signature), at_once=True)
        self.state = ConnectionState.DRAINING

    # -- time

    def _time_passed(self) -> None:
        if self._voucher_wanted() and self.now >= self._cadence.next - self._lead:
            self._ask_voucher()
        super()._time_passed()
        done = not self.live and not self.purse.asked and not self._queue
        if self._cadence.running and done and self.now - self._last_record > self.shape.quiet:
            self._cadence.stop()

    def next_deadline(self) -> float | None:
        beat = super().next_deadline()
        return beat - self._lead if beat is not None and self._voucher_wanted() else beat

    @property
    def _lead(self) -> float:
        """So long before its beat a voucher is asked for: the driver must store its amount first."""
        return min(VOUCHER_LEAD, self._cadence.beat.interval / 2)


def _open_body(request: Request) -> Open:
    price = request.offer.price
    return Open(
        request.request_id,
        request.service,
        request.offer.model,
        request.params,
        len(request.input),
        request.max_units,
        amount_bytes(price.input),
        amount_bytes(price.output),
    )
