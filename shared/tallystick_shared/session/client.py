"""The client's end of a connection: it proves a channel, asks, receives, and signs for exactly what it received."""

from __future__ import annotations

from tallystick_shared.channel import channels_domain
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError, code_of
from tallystick_shared.messages import (
    Accept,
    AuthOk,
    Body,
    Cancel,
    Close,
    CloseOk,
    Data,
    End,
    Error,
    Open,
    PayFirst,
    Voucher,
    VoucherOk,
    Window,
    amount_bytes,
    amount_int,
    encode_body,
)
from tallystick_shared.money import Account
from tallystick_shared.profile import answer_digest
from tallystick_shared.records import Frame, Hello, Record, Type
from tallystick_shared.voucher import Payment, Receipt, Signed

from .client_stream import GONE, INPUT_RECORD, ClientStream
from .events import (
    Accepted,
    CloseAccepted,
    Finished,
    Keyed,
    Output,
    Ready,
    Refused,
    VoucherDue,
    VoucherDurable,
)
from .greeting import Proof, make_auth, read_answer, write_hello
from .peer import PAD, Peer, forget_ended
from .purse import UNDER_WAY, Purse
from .requests import ClientLimits, Request, Resume
from .shape import Cadence, Shape, shape_of
from .tables import (
    CLIENT_CONNECTION,
    CLIENT_STREAM,
    DROPPED_CLIENT,
    LIVE,
    ConnectionState,
    StreamState,
    advance,
)
from .tickets import NO_TICKET

VOUCHER_LEAD = 0.2
UNANSWERED = LIVE | {StreamState.CANCELLED, StreamState.DETACHED}


class ClientSession(Peer):
    """One connection to one provider, on one channel.

    Order of calls: `start`, then `authenticate` on Keyed, then any number of `open`, `cancel`, `send_voucher`, and
    at last `close`.
    """

    connection_table = CLIENT_CONNECTION
    stream_table = CLIENT_STREAM

    def __init__(
        self,
        crypto: Crypto,
        hello: Hello,
        node_key: bytes,
        limits: ClientLimits,
        first_voucher: int = 0,
    ) -> None:
        """`first_voucher`: the minimum that the provider's profile states, in smallest units."""
        self.shape = shape_of(hello.flags, "")
        """The class of the traffic, by the last service that was asked for."""
        super().__init__(crypto, self.shape.up)
        self.hello = hello
        self.streams: dict[int, ClientStream] = {}
        self.purse = Purse(limits, self.streams, first_voucher)
        self.progressed = 0.0
        """When something other than filler arrived last, or was asked."""
        self._node_key = node_key
        self._proof: Proof | None = None
        self._payment: Payment | None = None
        self._last_record = 0.0
        self._next_stream = 1
        self._resuming: set[int] = set()
        """Streams of an earlier connection whose fate is not told yet."""
        self._resumed = False
        self._returning = False

    @property
    def account(self) -> Account:
        """The channel's account as this client counts it."""
        return self.purse.account

    @property
    def signed(self) -> int:
        """The highest total that this client has signed."""
        return self.purse.signed

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
        if self.state not in (ConnectionState.AUTHING, ConnectionState.READY):
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

    def takes(self, service: str) -> bool:
        """May it be asked for now? Not while the cadence of another class of traffic runs, to the end of its tail."""
        return shape_of(self.hello.flags, service) is self.shape or not self._cadence.running

    def _take_shape(self, shape: Shape) -> None:
        """Raises LocalError OTHER_TRAFFIC while the cadence of another class runs."""
        if shape is not self.shape:
            if self._cadence.running:
                raise LocalError(Code.OTHER_TRAFFIC)
            self.shape, self._cadence = shape, Cadence(shape.up)

    def _send_input(self, number: int, held: ClientStream) -> None:
        """The input in records of 4 KiB as far as its window reaches, at last padded to a power of two."""
        done = held.padded
        while (piece := held.next_input()) is not None:
            self._send(Record(Type.INPUT, number, encode_body(piece)), INPUT_RECORD)
        if held.padded and not done:
            for _ in range(held.input_padding()):
                self._send(PAD, INPUT_RECORD)

    def cancel(self, stream: int, reason: int = 0) -> None:
        """Stops a stream; it still ends with Finished. Nothing happens if it has ended."""
        held = self.streams.get(stream)
        if held is not None and held.state in LIVE:
            held.most = self.purse.most(held)
            held.state = StreamState.CANCELLED
            self.progressed = self.now
            self._post(Cancel(reason), stream, at_once=True)

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

    def _voucher_wanted(self) -> bool:
        return self.state is ConnectionState.READY and self.purse.wanted

    def _ask_voucher(self) -> None:
        self.purse.asked = True
        self._events.append(VoucherDue(self.purse.target()))

    # -- what arrives

    def _record(self, record: Record) -> None:
        self._last_record = self.now
        super()._record(record)

    def _handle(self, stream: int, body: Body) -> None:
        self.progressed = self.now
        if isinstance(body, AuthOk):
            self._auth_ok(body)
        elif isinstance(body, VoucherOk):
            self._voucher_ok(amount_int(body.amount))
        elif isinstance(body, PayFirst):
            self._pay(amount_int(body.amount))
        elif isinstance(body, CloseOk):
            self._events.append(CloseAccepted(body.transaction))
            self._end(None)
        elif isinstance(body, Error):
            self._error(stream, body)
        else:
            self._handle_stream(stream, body)

    def _handle_stream(self, number: int, body: Body) -> None:
        held = self.streams.get(number)
        if held is None:
            raise PeerError(Code.PROTOCOL, stream=number)
        kinds = {Accept: Type.ACCEPT, Data: Type.DATA, End: Type.END, Window: Type.WINDOW}
        if type(body) not in kinds:
            raise PeerError(Code.PROTOCOL, type=type(body).__name__)
        held.state = advance(self.stream_table, held.state, kinds[type(body)])
        if held.state is StreamState.FAILED:
            return
        if isinstance(body, Accept):
            held.accept(body, self.account)
            self._answered(number, resumed=True)
            self._events.append(Accepted(number, body.input_units, body.queue_place, body.estimated_ms))
        elif isinstance(body, Data):
            held.data(body, self.account)
            self._events.append(Output(number, body.data, body.units, body.kind))
            limit = held.arriving.took(len(body.data))
            if limit is not None and held.resumable:
                self._post(Window(limit), number)
        elif isinstance(body, Window):
            held.window = max(held.window, body.limit)
            if held.state is StreamState.INPUT:
                self._send_input(number, held)
        elif isinstance(body, End):
            self._finish(number, held, body)

    def _auth_ok(self, body: AuthOk) -> None:
        best = Signed(amount_int(body.amount), body.signature)
        if best.amount > self.signed and self._payment is not None:
            self._payment.verify(self.crypto, best)
        reckon = self.purse.rejoin if self._returning else self.purse.agree
        reckon(best.amount, amount_int(body.owed), amount_int(body.window))
        self._returning = False
        self._events.append(Ready(self.signed, self.account.owed, self.account.window, body.tickets))

    def _voucher_ok(self, amount: int) -> None:
        if amount > self.signed:
            raise PeerError(Code.PROTOCOL, amount=amount)
        if self.account.acknowledge(amount):
            self._events.append(VoucherDurable(amount))

    def _answered(self, number: int, *, resumed: bool) -> None:
        """What became of a stream of an earlier connection is told."""
        if number in self._resuming:
            self._resuming.discard(number)
            self._resumed |= resumed
            if not self._resuming and not self._resumed:
                self.purse.lost_memory()

    def _pay(self, amount: int) -> None:
        """Paid where it is granted; else what is under way is cancelled, and refused once the provider has ended it."""
        refusal = self.purse.pay_first(amount)
        if refusal is None:
            if self._voucher_wanted():
                self._ask_voucher()
            return
        for number, held in self.streams.items():
            if held.state in UNDER_WAY:
                self.cancel(number, refusal.code)
                held.refusal = refusal

    def _finish(self, number: int, held: ClientStream, body: End) -> None:
        amount = held.end(body, self.account)
        gone = body.finish == GONE and not body.units
        receipt = self._receipt(held, body, amount_int(body.amount) if gone else amount)
        if gone:
            amount += self.purse.missed(held, max(0, amount_int(body.amount) - amount))
        self._answered(number, resumed=False)
        if held.refusal is not None:
            self._events.append(Refused(number, held.refusal, False, 0))
        else:
            self._events.append(Finished(number, body.finish, held.input_units, held.units, amount, receipt))
        forget_ended(self.streams, number)
        if self._voucher_wanted():
            self._ask_voucher()

    def _receipt(self, held: ClientStream, body: End, amount: int) -> Receipt:
        """The operator's word for what we received. Raises PeerError BAD_RECEIPT."""
        assert self._payment is not None and self._proof is not None
        request = held.request
        served = held.accepted and body.finish != GONE
        manifest = request.offer.manifest if served else bytes(32)
        digest = answer_digest(body.salt, body.digest)
        receipt = Receipt(
            self._payment.channel_id, request.request_id, amount, body.units, manifest, digest, body.salt, body.receipt
        )
        receipt.verify(self.crypto, channels_domain(self.hello.chain_id, self._proof.contract), self._proof.operator)
        return receipt

    def _error(self, stream: int, body: Error) -> None:
        error = PeerError(code_of(body.code))
        if stream == 0:
            self._end(error)
            return
        held = self.streams.get(stream)
        if held is None or held.state is StreamState.DONE:
            raise PeerError(Code.PROTOCOL, stream=stream)
        if held.state is not StreamState.FAILED:
            held.state = advance(self.stream_table, held.state, Type.ERROR)
            self._give_up(stream, held, error, body.retryable, body.retry_after_ms)

    def _give_up(
        self, number: int, held: ClientStream, error: TallystickError, retryable: bool = False, retry_after_ms: int = 0
    ) -> None:
        held.state = StreamState.FAILED
        if held.request.request_id in self.account.running:
            self.account.finish(held.request.request_id)
        self._answered(number, resumed=False)
        self._events.append(Refused(number, held.refusal or error, retryable, retry_after_ms))


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
