"""The provider's end of a connection: it checks a proof, counts input, and serves no further than it is paid."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

from tallystick_shared import limits
from tallystick_shared.channel import channels_domain
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, PeerError, TallystickError, code_of
from tallystick_shared.messages import (
    MAX_INPUT,
    Accept,
    Auth,
    AuthOk,
    Body,
    Cancel,
    Close,
    CloseOk,
    End,
    Error,
    Input,
    Open,
    PayFirst,
    ServerInfo,
    Voucher,
    VoucherOk,
    amount_bytes,
    amount_int,
    encode_body,
)
from tallystick_shared.money import Account, Price
from tallystick_shared.profile import answer_digest
from tallystick_shared.records import ALONE, HEADER, Frame, Record, Type
from tallystick_shared.voucher import NOTHING, Payment, Receipt, Signed

from .events import (
    AuthOffered,
    CloseAsked,
    GuestAsked,
    InputComplete,
    Keyed,
    RequestOffered,
    RequestReady,
    Stopped,
    StreamDone,
    VoucherReceived,
)
from .greeting import ProviderIdentity, check_auth, pack_info, read_hello, write_answer
from .guest import GuestStream, check_open
from .peer import PAD, Peer, forget_ended
from .provider_stream import ProviderStream
from .shape import TEXT, Cadence, Shape, Tail, shape_of
from .tables import LIVE, PROVIDER_CONNECTION, PROVIDER_STREAM, ConnectionState, StreamState, advance
from .tickets import TicketBook

AUTH_OK_RECORD = 512  # its length tells nothing of what was signed before, nor of tickets
MAX_BACKLOG = limits.AUTH_BACKLOG.value
MAX_STREAMS = limits.STREAMS.value
PAUSE_LIMIT = limits.PAUSE.value
DATA_OVERHEAD = 20
PUT_OFF_LIMIT = 2


class ProviderSession(Peer):
    """One connection from one client.

    The driver answers AuthOffered with `accept_auth` or `refuse`, InputComplete with `measure` or `fail`,
    RequestReady by running the engine into
    `data` and `finish`, VoucherReceived with `voucher_durable`, CloseAsked with `close_ok` or `refuse`, GuestAsked with
    `guest_data` and `guest_end` or `refuse`.
    """

    connection_table = PROVIDER_CONNECTION
    stream_table = PROVIDER_STREAM

    def __init__(
        self,
        crypto: Crypto,
        identity: ProviderIdentity,
        wall: int,
        tickets: TicketBook | None = None,
        weigh: Callable[[bool], None] | None = None,
    ) -> None:
        """`weigh` is asked before a handshake is answered, and told whether the client showed a ticket; it may raise
        PeerError.
        """
        super().__init__(crypto, TEXT.down)
        self.shape = TEXT
        """The class of the traffic, by the last service that was asked for."""
        self.ticket_holder = False
        """Did the client show a ticket of ours?"""
        self.crowded = False
        """Set by the driver: its send queue has no room. What goes at full rate then waits, fillers too."""
        self.identity = identity
        self.account = Account(cap=0, window=0)
        self.channel_id = b""
        self.streams: dict[int, ProviderStream] = {}
        self.highest = NOTHING
        self._wall = wall
        self._tickets, self._weigh = tickets, weigh
        self._payment: Payment | None = None
        self._backlog: list[bytes] = []
        self._tail = Tail()
        self._put_off = 0
        self._flags = 0
        self._guest: GuestStream | None = None

    # -- handshake and AUTH

    def _frame(self, kind: int, body: bytes) -> None:
        if self.state is ConnectionState.AUTHING:
            self._backlog.append(bytes([kind]) + body)
            if sum(map(len, self._backlog)) > MAX_BACKLOG:
                raise PeerError(Code.TOO_LARGE)
            return
        super()._frame(kind, body)

    def _greeting(self, kind: int, body: bytes) -> None:
        if self.state is not ConnectionState.NEW or kind != Frame.HELLO:
            raise PeerError(Code.PROTOCOL, frame=kind)
        try:
            self._hello(body)
        except PeerError as error:
            self._out.append(bytes([Frame.REFUSED]) + struct.pack(">H", error.code))
            raise

    def turn_away(self, error: PeerError) -> None:
        """Refuses a client that has no key yet, before anything is done for it: it is told the code, in clear."""
        if self.state is ConnectionState.NEW:
            self._out.append(bytes([Frame.REFUSED]) + struct.pack(">H", error.code))
            self._end(error)

    def _hello(self, body: bytes) -> None:
        me = self.identity
        greeted = read_hello(self.crypto, me, body)
        hello = greeted.hello
        self.ticket_holder = self._tickets is not None and self._tickets.spend(greeted.ticket, self.now)
        if self._weigh is not None:
            self._weigh(self.ticket_holder)
        info = ServerInfo(self._wall, MAX_STREAMS, MAX_INPUT, me.price_epoch)
        self._out.append(bytes([Frame.HANDSHAKE]) + write_answer(self.crypto, greeted, pack_info(info)))
        self._start_transport(greeted.noise)
        self._flags = hello.flags
        self._take_shape(shape_of(hello.flags, ""))
        self.state = ConnectionState.KEYED
        self._events.append(Keyed(self.handshake_hash, ticket_holder=self.ticket_holder))

    def _auth(self, body: Auth) -> None:
        config, self._payment = check_auth(self.crypto, self.identity, self.handshake_hash, body, self._wall)
        self.channel_id = self._payment.channel_id
        self._events.append(AuthOffered(self.channel_id, config, len(body.proof), body, bool(self._flags & ALONE)))

    def accept_auth(self, account: Account, highest: Signed) -> None:
        """The channel is good: `account` is the node's one ledger for it, `highest` the best voucher on disk.
        Nothing happens where the connection ended while the channel was looked up.
        """
        if self.state is not ConnectionState.AUTHING:
            return
        self.account, self.highest = account, highest
        self.state = ConnectionState.READY
        self._post(
            AuthOk(
                amount_bytes(highest.amount),
                highest.signature,
                amount_bytes(account.owed),
                amount_bytes(account.window),
                self.identity.price_epoch,
                self._tickets.issue(self.channel_id, self.now) if self._tickets is not None else (),
            ),
            size=AUTH_OK_RECORD,
        )
        backlog, self._backlog = self._backlog, []
        for message in backlog:
            self.receive(message, self.now)

    def refuse(self, error: TallystickError, *, retry_after_ms: int = 0) -> None:
        """Ends the connection with an error that the client can read."""
        if not self.closed:
            self._refuse_with(0, error, max(0, self.account.credit), retry_after_ms=retry_after_ms)
            self._end(error)

    # -- what arrives

    def _handle(self, stream: int, body: Body) -> None:
        if isinstance(body, Auth):
            self._auth(body)
        elif isinstance(body, Voucher):
            self._voucher(body)
        elif isinstance(body, Close):
            self._close(body)
        elif isinstance(body, Error):
            self._end(PeerError(code_of(body.code)))
        elif self.state is ConnectionState.GUEST and isinstance(body, Open):
            self._guest_open(stream, body)
        else:
            self._handle_stream(stream, body)

    def _handle_stream(self, number: int, body: Body) -> None:
        held = self.streams.get(number)
        state = held.state if held else StreamState.IDLE
        kinds = {Open: Type.OPEN, Input: Type.INPUT, Cancel: Type.CANCEL}
        if number == 0 or type(body) not in kinds:
            raise PeerError(Code.PROTOCOL, type=type(body).__name__)
        state = advance(self.stream_table, state, kinds[type(body)])
        if isinstance(body, Open):
            self._open(number, body)
        elif held is None:
            raise PeerError(Code.PROTOCOL, stream=number)
        elif isinstance(body, Input):
            held.state = state
            self._input(number, held, body)
        elif isinstance(body, Cancel) and held.state in LIVE:
            self._stop(number, held, "cancelled")

    def _open(self, number: int, body: Open) -> None:
        price = Price(amount_int(body.price_in), amount_int(body.price_out))
        self.streams[number] = ProviderStream(body, price)
        fits = self._take_shape(shape_of(self._flags, body.service))
        self._cadence.start(self.now)
        self._tail.clear()
        if not fits:
            self.fail(number, PeerError(Code.OTHER_TRAFFIC), retry_after_ms=1000)
            return
        if sum(other.state in LIVE for other in self.streams.values()) > MAX_STREAMS:
            self.fail(number, PeerError(Code.TOO_MANY_STREAMS), retry_after_ms=1000)
            return
        if self._in_use(number, body.request_id):
            self.fail(number, PeerError(Code.REQUEST_CONFLICT))
            return
        digest = hashlib.blake2s(encode_body(body)).digest()
        self._events.append(RequestOffered(number, body, digest))

    def _take_shape(self, shape: Shape) -> bool:
        """False while the cadence of another class runs."""
        if shape is not self.shape:
            if self._cadence.running:
                return False
            self.shape, self._cadence = shape, Cadence(shape.down)
        return True

    def _in_use(self, number: int, request_id: bytes) -> bool:
        """Is this request under way, on another stream here or on another connection of the channel?"""
        here = (other.open.request_id for at, other in self.streams.items() if at != number and other.state in LIVE)
        return request_id in self.account.running or request_id in here

    def _input(self, number: int, held: ProviderStream, body: Input) -> None:
        if held.state is StreamState.FAILED:
            return
        data = held.take_input(body)
        if data is not None:
            self._events.append(InputComplete(number, data))

    def _voucher(self, body: Voucher) -> None:
        assert self._payment is not None
        for number, seq in body.acknowledged:
            if number in self.streams:
                self.streams[number].acknowledged = seq
        voucher = Signed(amount_int(body.amount), body.signature)
        if voucher.amount > self.account.cap:
            raise PeerError(Code.ABOVE_CAP, amount=voucher.amount)
        if voucher.amount <= self.highest.amount:
            self._post(VoucherOk(amount_bytes(self.account.durable)))
            return
        self._payment.verify(self.crypto, voucher)
        self.highest = voucher
        self._events.append(VoucherReceived(voucher))

    def _close(self, body: Close) -> None:
        """Running work stops first. The client's final voucher counts where it covers what is owed or is the best
        that came this way.
        """
        assert self._payment is not None
        for number, held in list(self.streams.items()):
            if held.state in LIVE:
                self._stop(number, held, "cancelled")
            if held.state in LIVE:
                self._queue.append(self._conclude(number, held))
        final = Signed(amount_int(body.amount), body.signature)
        if final.amount:
            if final.amount > self.account.cap:
                raise PeerError(Code.ABOVE_CAP, amount=final.amount)
            self._payment.verify(self.crypto, final)
        if final.amount < self.account.due and final.amount < self.highest.amount:
            final = self.highest
        self._events.append(CloseAsked(final))

    # -- a guest, instead of all that

    def _guest_open(self, number: int, body: Open) -> None:
        check_open(number, body)
        self._guest = GuestStream(number, body)
        self._post(Accept(0, 0, 0, False), number)
        self._events.append(GuestAsked(body.service, body.params, body.max_units))

    def guest_data(self, piece: bytes) -> None:
        """A piece of the answer, at most `guest.PIECE` bytes. Raises PeerError TOO_LARGE where the guest takes less."""
        if self._guest is not None and not self.closed:
            self._post(self._guest.piece(piece), self._guest.number)

    def guest_end(self) -> None:
        """The answer is complete; the connection ends."""
        if self._guest is not None and not self.closed:
            self._post(self._guest.end(self.crypto, self.identity), self._guest.number)
            self._end(None)

    # -- serving

    def measure(self, stream: int, input_units: int, manifest: bytes, *, place: int = 0, estimated_ms: int = 0) -> None:
        """The input is `input_units` long. Starts the request once it is paid for; RequestReady follows, at once
        or after a voucher.
        """
        held = self.streams[stream]
        if held.state is not StreamState.INPUT:
            return
        held.input_units, held.manifest = input_units, manifest
        held.place = (place, estimated_ms)
        self._start_paid()

    def _start_paid(self) -> None:
        for number, held in list(self.streams.items()):
            if held.state is StreamState.INPUT and held.input_units >= 0:
                self._start_if_paid(number, held)

    def _start_if_paid(self, number: int, held: ProviderStream) -> None:
        """Reckoned anew each time: what other streams cost meanwhile counts against the same window and cap."""
        affordable = self.account.affordable(held.price, held.input_units)
        if held.open.request_id in self.account.running:
            self.fail(number, PeerError(Code.REQUEST_CONFLICT))
        elif affordable < 1:
            self.fail(number, PeerError(Code.DEPOSIT_EXHAUSTED))
        elif (needed := self.account.first_payment(held.price, held.input_units)) > 0:
            self._ask_first(held, needed)
        else:
            self.account.start(held.open.request_id, held.price, held.input_units)
            held.max_units = min(held.open.max_units, affordable)
            held.state, held.accepted = StreamState.RUNNING, True
            self._post(Accept(held.input_units, *held.place, False), number)
            self._events.append(RequestReady(number, held.max_units))

    def data(self, stream: int, data: bytes, units: int, kind: int = 0) -> None:
        """Output of the engine, worth `units` more units. It leaves at the next beats, as far as it is paid for."""
        held = self.streams[stream]
        if held.started and not held.finish:
            held.add(data, units, kind)

    def finish(self, stream: int, reason: str) -> None:
        """The engine is done (`stop`, `length`); END follows once everything is delivered."""
        held = self.streams[stream]
        if held.started and not held.finish:
            held.finish = reason

    def fail(self, stream: int, error: TallystickError, *, retry_after_ms: int = 0) -> None:
        """Ends a stream with an error. What was delivered stays owed."""
        held = self.streams[stream]
        if held.state not in LIVE:
            return
        amount = self._settle(held)
        held.state = StreamState.FAILED
        held.pending.clear()
        self._refuse_with(stream, error, max(0, self.account.credit), retry_after_ms=retry_after_ms)
        self._done(stream, held, "error", amount)

    def voucher_durable(self, voucher: Signed) -> None:
        """The voucher is on disk: acknowledge it and serve on."""
        self.account.acknowledge(voucher.amount)
        if not self.closed:
            self._post(VoucherOk(amount_bytes(self.account.durable)))
            self._start_paid()

    def close_ok(self, transaction: bytes) -> None:
        """The closing transaction is on its way (hash, 32 bytes)."""
        if not self.closed:
            self._post(CloseOk(transaction), at_once=True)
            self._end(None)

    # -- time

    def _time_passed(self) -> None:
        self._start_paid()
        self._check_pauses()
        if self.crowded and self.shape.full_rate:
            self._cadence.put_off(self.now)
        super()._time_passed()
        self._end_tail()

    def _next_record(self) -> Record | None:
        """Acknowledgements let output go first for a few beats: nobody waits for them while there is credit left."""
        only_acknowledgements = bool(self._queue) and all(record.type == Type.VOUCHER_OK for record in self._queue)
        if only_acknowledgements and self._put_off < PUT_OFF_LIMIT:
            self._put_off += 1
            while len(self._queue) > 1:
                self._queue.popleft()
            return self._filler() or self._queue.popleft()
        self._put_off = 0
        return super()._next_record()

    def more(self, now: float) -> bool:
        """At full rate: what is full, an END, and the padding. Acknowledgements and fillers keep their beat."""
        self.now = now
        if self.closed or not self.shape.full_rate or not self._cadence.running:
            return False
        waiting = any(record.type != Type.VOUCHER_OK for record in self._queue)
        record = self._queue.popleft() if waiting else self._filler(full=True)
        if record is None and self._tail.room(self._cadence.count):
            record = PAD
        if record is None:
            return False
        self._cadence.early(now)
        self._send(record)
        return True

    def _filler(self, *, full: bool = False) -> Record | None:
        """The next DATA of a stream that has some and is allowed to send it, or an END; streams take turns. `full`:
        only DATA that fills its record or is the last.
        """
        for number, held in list(self.streams.items()):
            room = self._cadence.beat.size - HEADER.size - DATA_OVERHEAD
            if not held.started or (full and not held.fills(room)):
                continue
            data = held.next_data(room, self.account)
            record = Record(Type.DATA, number, data) if data is not None else None
            if record is None and held.finish and not held.pending:
                record = self._conclude(number, held)
            if record is not None:
                self.streams[number] = self.streams.pop(number)
                return record
        return None

    def _check_pauses(self) -> None:
        """Whoever may not send its next piece waits for a voucher. A piece dearer than the window is asked for first:
        no voucher for what was received could ever cover it.
        """
        for number, held in list(self.streams.items()):
            if not held.started or not held.pending:
                continue
            total = held.pending[0][1]
            if self.account.allows(held.open.request_id, total):
                held.state, held.paused_since = StreamState.RUNNING, None
                continue
            needed = self.account.owed_with(held.open.request_id, total)
            if needed > self.account.cap:
                self._stop(number, held, "deposit")
                continue
            if needed - self.account.owed > self.account.window:
                self._ask_first(held, needed)
            if held.paused_since is None:
                held.state, held.paused_since = StreamState.PAUSED, self.now
            elif self.now - held.paused_since > PAUSE_LIMIT:
                self._stop(number, held, "interrupted")

    def _ask_first(self, held: ProviderStream, needed: int) -> None:
        """PAY_FIRST, unless the last one is not paid yet."""
        if self.account.durable >= held.waiting:
            held.waiting = needed
            self._post(PayFirst(amount_bytes(needed)))

    def _stop(self, number: int, held: ProviderStream, reason: str) -> None:
        """Nothing more of this stream is sent; END follows at the next beat."""
        held.pending.clear()
        held.finish = reason
        if held.started:
            held.state = StreamState.RUNNING
        else:
            held.state = StreamState.CANCELLED
            self._queue.append(self._conclude(number, held))
        self._events.append(Stopped(number, reason))

    def _conclude(self, number: int, held: ProviderStream) -> Record:
        """Settles the stream and makes its END."""
        amount = self._settle(held)
        held.state = StreamState.DONE
        salt, digest = self.crypto.random(16), held.digest.digest()
        me = self.identity
        manifest = held.manifest if held.accepted else bytes(32)
        salted = answer_digest(salt, digest)
        receipt = Receipt(self.channel_id, held.open.request_id, amount, held.units, manifest, salted, salt)
        receipt = receipt.signed(self.crypto, channels_domain(me.chain_id, me.channels), me.operator_key)
        finish = held.finish or "cancelled"
        input_units = max(0, held.input_units)
        body = End(input_units, held.units, amount_bytes(amount), finish, digest, salt, receipt.signature)
        self._done(number, held, finish, amount)
        return Record(Type.END, number, encode_body(body))

    def _settle(self, held: ProviderStream) -> int:
        if held.started:
            return self.account.finish(held.open.request_id)
        return 0

    def _done(self, number: int, held: ProviderStream, finish: str, amount: int) -> None:
        self._events.append(
            StreamDone(number, held.open.request_id, finish, max(0, held.input_units), held.units, amount)
        )
        held.input = bytearray()
        if not any(other.state in LIVE for other in self.streams.values()):
            self._tail.begin(self._cadence.count, self.shape.farewell, self.now)
        forget_ended(self.streams, number)

    def _end_tail(self) -> None:
        count, owing = self._cadence.count, self.account.credit > 0
        if self._tail.over(count, self.now, waiting=bool(self._queue), owing=owing):
            self._cadence.stop()

    def _end(self, error: TallystickError | None) -> None:
        """Whatever ran is settled, so that the account keeps what was delivered after the connection is gone."""
        for number, held in list(self.streams.items()):
            if held.state in LIVE:
                amount = self._settle(held)
                held.state = StreamState.FAILED
                held.pending.clear()
                self._events.append(Stopped(number, "lost"))
                self._done(number, held, "lost", amount)
        super()._end(error)
