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
    TYPES,
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
    ResumeAt,
    ServerInfo,
    Voucher,
    VoucherOk,
    Window,
    amount_bytes,
    amount_int,
    encode_body,
)
from tallystick_shared.money import Account, Price
from tallystick_shared.profile import answer_digest
from tallystick_shared.records import ALONE, HEADER, Frame, Record, Type
from tallystick_shared.services import service_of
from tallystick_shared.voucher import NOTHING, Payment, Receipt, Signed

from .detached import Key, Shelf
from .events import (
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
from .greeting import ProviderIdentity, check_auth, pack_info, read_hello, write_answer
from .guest import GuestStream, check_open
from .peer import PAD, Peer, forget_ended
from .provider_stream import ProviderStream
from .shape import TEXT, Cadence, Shape, Tail, shape_of
from .tables import (
    DROPPED_PROVIDER,
    ENDED,
    LIVE,
    PROVIDER_CONNECTION,
    PROVIDER_STREAM,
    ConnectionState,
    StreamState,
    advance,
)
from .tickets import TicketBook

AUTH_OK_RECORD = 512  # its length tells nothing of what was signed before, nor of tickets
MAX_BACKLOG = limits.AUTH_BACKLOG.value
MAX_STREAMS = limits.STREAMS.value
FINAL = frozenset({Code.REQUEST_CONFLICT, Code.PROMPT_TOO_LONG})
"""Refusals of an OPEN that waiting does not change."""
PAUSE_LIMIT = limits.PAUSE.value
DATA_OVERHEAD = 20
PUT_OFF_LIMIT = 2
FREE = amount_bytes(0)

HOPELESS = frozenset(
    {
        Code.PROTOCOL,
        Code.TAMPERED,
        Code.BAD_MESSAGE,
        Code.BAD_DIGEST,
        Code.BAD_RECEIPT,
        Code.OVERCHARGED,
        Code.UNKNOWN_CHANNEL,
        Code.CHANNEL_ENDED,
        Code.CHANNEL_EXPIRING,
        Code.UNCLAIMABLE,
        Code.UNCONFIRMED,
        Code.DRAINING,
    }
)
"""Why a connection ends for good: nothing of it is kept for another one. After a fault that either side found, its
client does not come back by itself, and a slot that waits for it would turn it away when its person tries again."""


class ProviderSession(Peer):
    """One connection from one client.

    The driver answers AuthOffered with `accept_auth` or `refuse`, RequestOffered with `welcome`, `gone` or `fail`,
    InputComplete with `measure` or `fail`, RequestReady by running the engine into `data` and `finish`,
    VoucherReceived with `voucher_durable`, CloseAsked with `close_ok` or `refuse`, GuestAsked with `guest_data` and
    `guest_end` or `refuse`. `shelf` keeps what outlives the connection.
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
        shelf: Shelf | None = None,
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
        self._shelf = Shelf() if shelf is None else shelf  # an empty shelf is false
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
        kinds = {Input: Type.INPUT, Cancel: Type.CANCEL, Window: Type.WINDOW}
        if number and held is None and isinstance(body, Open | ResumeAt):
            self._offer(number, body)
            return
        if number == 0 or held is None or type(body) not in kinds:
            raise PeerError(Code.PROTOCOL, type=type(body).__name__, stream=number)
        state = advance(self.stream_table, held.state, kinds[type(body)])
        if isinstance(body, Input):
            held.state = state
            self._input(number, held, body)
        elif isinstance(body, Window):
            held.widen(body.limit)
        elif held.state in LIVE and held.ending is None:
            self._stop(number, held, "cancelled")

    # -- a stream begins, or goes on

    def _offer(self, number: int, body: Open | ResumeAt) -> None:
        """OPEN and RESUME find what is known under their request id, wherever it is."""
        key = (self.channel_id, body.request_id)
        known = self._shelf.find(key)
        at = body if isinstance(body, ResumeAt) else ResumeAt(body.request_id, 1, FREE)
        fault = self._refusal(key, known, body)
        elsewhere = not self._shelf.is_on(key, self)
        if known is not None and fault is None and elsewhere and known.can_resume(at):
            taken = self._shelf.take(key)
            assert taken is known
            advance(self.stream_table, StreamState.DETACHED, TYPES[type(body)])
            known.input_repeats = isinstance(body, Open)
            self._go_on(number, known, at.next_seq)
            return
        held = self._begin(number, body)
        if fault is not None:
            self.fail(number, fault, retry_after_ms=0 if fault.code in FINAL else 1000)
            return
        if isinstance(body, Open) and (known is None or not known.accepted):
            self._shelf.take(key)
            self._shelf.enter(key, held, self, number)
            self._events.append(RequestOffered(number, body, held.request_digest))
        else:
            self.gone(number)

    def _refusal(self, key: Key, known: ProviderStream | None, body: Open | ResumeAt) -> PeerError | None:
        asked = known.open if known is not None else body
        if isinstance(asked, Open) and not self._take_shape(shape_of(self._flags, asked.service)):
            return PeerError(Code.OTHER_TRAFFIC)
        if sum(other.state in LIVE for other in self.streams.values()) >= MAX_STREAMS:
            return PeerError(Code.TOO_MANY_STREAMS)
        if isinstance(body, Open) and body.input_length > service_of(body.service).most_input:
            return PeerError(Code.PROMPT_TOO_LONG, limit=service_of(body.service).most_input)
        if known is None:
            return None
        if isinstance(body, Open) and _digest(body) != known.request_digest:
            return PeerError(Code.REQUEST_CONFLICT)
        here = known.state in LIVE and self._shelf.is_on(key, self)
        return PeerError(Code.REQUEST_CONFLICT) if here else None

    def _begin(self, number: int, body: Open | ResumeAt) -> ProviderStream:
        state = advance(self.stream_table, StreamState.IDLE, TYPES[type(body)])
        if isinstance(body, ResumeAt):
            body = Open(body.request_id, "", "", b"", 0, 0, FREE, FREE)
        price = Price(amount_int(body.price_in), amount_int(body.price_out))
        held = self.streams[number] = ProviderStream(body, price, _digest(body), state)
        self._start_beat()
        return held

    def _go_on(self, number: int, held: ProviderStream, next_seq: int) -> None:
        held.resume(next_seq)
        self.streams[number] = held
        self._shelf.enter((self.channel_id, held.open.request_id), held, self, number)
        self._start_beat()
        self._post(Accept(held.input_units, *held.place, True), number)
        self._events.append(StreamResumed(number, held.open.request_id))

    def _start_beat(self) -> None:
        self._cadence.start(self.now)
        self._tail.clear()

    def _take_shape(self, shape: Shape) -> bool:
        """False while the cadence of another class runs."""
        if shape is not self.shape:
            if self._cadence.running:
                return False
            self.shape, self._cadence = shape, Cadence(shape.down)
        return True

    def welcome(self, stream: int) -> None:
        """The request is one that may be served: more than the first window of its input may come."""
        held = self.streams[stream]
        held.incoming.moving = True
        if held.state in LIVE and not held.complete and (limit := held.incoming.took(0)) is not None:
            self._post(Window(limit), stream)

    def gone(self, stream: int) -> None:
        """Its request id was used before, and what it was about is over: END says so, and nothing new is billed."""
        held = self.streams[stream]
        if held.state in LIVE:
            held.finish, held.cost = "gone", self._shelf.past((self.channel_id, held.open.request_id))
            self._queue.append(self._conclude(stream, held))

    def release(self, number: int) -> ProviderStream | None:
        """Gives a stream up to another connection of the channel; None where it had not been accepted yet."""
        held = self.streams[number]
        if not held.accepted:
            self._drop(number, held, keep=False)
            return None
        self._detach(number, held)
        self._start_tail()
        self._forget_ended(number)
        return held

    def _detach(self, number: int, held: ProviderStream) -> None:
        """It is not here any longer; what still comes for its number is passed over."""
        self.streams[number] = ProviderStream(held.open, held.price, held.request_digest, StreamState.FAILED)
        if held.started:
            self._events.append(StreamDetached(number, held.open.request_id))
        held.state = StreamState.DETACHED

    def _input(self, number: int, held: ProviderStream, body: Input) -> None:
        if held.state in ENDED or (held.accepted and held.input_repeats):
            return
        data = held.take_input(body)
        limit = held.incoming.took(len(body.data))
        if data is not None:
            self._events.append(InputComplete(number, data))
        elif limit is not None:
            self._post(Window(limit), number)

    def _voucher(self, body: Voucher) -> None:
        assert self._payment is not None
        for number, seq in body.acknowledged:
            if number in self.streams:
                self._heard(self.streams[number], seq)
        voucher = Signed(amount_int(body.amount), body.signature)
        if voucher.amount > self.account.cap:
            raise PeerError(Code.ABOVE_CAP, amount=voucher.amount)
        if voucher.amount <= self.highest.amount:
            self._post(VoucherOk(amount_bytes(self.account.durable)))
            return
        self._payment.verify(self.crypto, voucher)
        self.highest = voucher
        self._events.append(VoucherReceived(voucher))

    def _heard(self, held: ProviderStream, seq: int) -> None:
        held.acknowledge(seq)
        if held.state in ENDED and seq > held.seq:
            self._shelf.leave((self.channel_id, held.open.request_id), held)
            held.forget()

    def _close(self, body: Close) -> None:
        """Running work stops first. The client's final voucher counts where it covers what is owed or is the best
        that came this way.
        """
        assert self._payment is not None
        for number, held in list(self.streams.items()):
            if held.state in LIVE and held.ending is None:
                self._stop(number, held, "cancelled")
            while held.state in LIVE and (record := self._next_of(number, held)) is not None:
                self._queue.append(record)
        self._shelf.end_channel(self.channel_id)
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

    def measure(
        self,
        stream: int,
        input_units: int,
        manifest: bytes,
        *,
        place: int = 0,
        estimated_ms: int = 0,
    ) -> None:
        """The input is `input_units` long. Starts the request once it is paid for; RequestReady follows, at once
        or after a voucher. What goes at full rate may be larger than what is kept after a drop, so none of it is.
        """
        held = self.streams[stream]
        if held.state is not StreamState.INPUT:
            return
        held.input_units, held.manifest = input_units, manifest
        held.place, held.resumable = (place, estimated_ms), not self.shape.full_rate
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
            held.state, held.accepted, held.paused_since = StreamState.RUNNING, True, None
            self._post(Accept(held.input_units, *held.place, held.resumable), number)
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
        if held.state not in LIVE or held.ending is not None:
            return
        held.drop_pending()
        if held.again:  # what was sent once is told first
            held.failure = (error, retry_after_ms)
            return
        self._settle(held)
        held.state = StreamState.FAILED
        body = self._refusal_body(error, max(0, self.account.credit), retry_after_ms)
        held.ending = (Type.ERROR, encode_body(body))
        self._post(body, stream)
        self._done(stream, held, "error")

    def voucher_durable(self, voucher: Signed) -> None:
        """The voucher is on disk: acknowledge it and serve on."""
        self.account.acknowledge(voucher.amount)
        if not self.closed:
            self._post(VoucherOk(amount_bytes(self.account.durable)))
            self._start_paid()

    def close_ok(self, transaction: bytes) -> None:
        """The closing transaction is on its way (hash, 32 bytes)."""
        if not self.closed:
            self._flush()
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
        if self._sent.due(now):
            self._cadence.early(now)
            self._rekey(self._cadence.beat.size)
            return True
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
            if full and not held.fills(self._room):
                continue
            record = self._next_of(number, held)
            if record is not None:
                if number in self.streams:
                    self.streams[number] = self.streams.pop(number)
                return record
        return None

    @property
    def _room(self) -> int:
        """Bytes of output that one record takes."""
        return self._cadence.beat.size - HEADER.size - DATA_OVERHEAD

    def _next_of(self, number: int, held: ProviderStream) -> Record | None:
        if not held.accepted or held.state not in LIVE:
            return None
        data = held.next_data(self._room, self.account)
        if data is not None:
            return Record(Type.DATA, number, data)
        if held.ending is not None:  # it ended on another connection; here that is told once more
            kind, body = held.ending
            held.state = StreamState.DONE if kind is Type.END else StreamState.FAILED
            self._start_tail()
            return Record(kind, number, body)
        if held.failure is not None:
            error, retry_after_ms = held.failure
            self.fail(number, error, retry_after_ms=retry_after_ms)
            return self._queue.popleft() if self._queue else None
        if held.finish and not held.pending:
            return self._conclude(number, held)
        return None

    def _check_pauses(self) -> None:
        """Whoever may not send its next piece waits for a voucher. A piece dearer than the window is asked for first:
        no voucher for what was received could ever cover it.
        """
        for number, held in list(self.streams.items()):
            if held.state is StreamState.INPUT and held.waiting:
                self._check_unpaid(number, held)
            if not held.started or held.again:
                continue
            if not held.pending:
                held.state, held.paused_since = StreamState.RUNNING, None
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

    def _check_unpaid(self, number: int, held: ProviderStream) -> None:
        """An input that waits to be paid for takes room. A voucher that is on its way to the disk is no delay of its
        client's.
        """
        if held.waiting <= max(self.highest.amount, self.account.durable):
            held.paused_since = None
        elif held.paused_since is None:
            held.paused_since = self.now
        elif self.now - held.paused_since > PAUSE_LIMIT:
            self._stop(number, held, "interrupted")

    def _ask_first(self, held: ProviderStream, needed: int) -> None:
        """PAY_FIRST, unless the last one is not paid yet."""
        if self.account.durable >= held.waiting:
            held.waiting = needed
            if not held.accepted:
                held.paused_since = None
            self._post(PayFirst(amount_bytes(needed)))

    def _stop(self, number: int, held: ProviderStream, reason: str) -> None:
        """Nothing more of this stream is sent; END follows at the next beat."""
        held.drop_pending()
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
        held.ending = (Type.END, encode_body(body))
        self._done(number, held, finish)
        return Record(Type.END, number, held.ending[1])

    def _settle(self, held: ProviderStream) -> int:
        if held.started:
            held.cost = self.account.finish(held.open.request_id)
        return held.cost

    def _done(self, number: int, held: ProviderStream, finish: str) -> None:
        input_units, request_id = max(0, held.input_units), held.open.request_id
        cost = held.cost if held.accepted else 0
        self._events.append(StreamDone(number, request_id, finish, input_units, held.units, cost, held.accepted))
        held.input = bytearray()
        if not held.accepted:
            self._shelf.leave((self.channel_id, request_id), held)
        self._start_tail()
        self._forget_ended(number)

    def _forget_ended(self, keep: int) -> None:
        for forgotten in forget_ended(self.streams, keep):
            self._shelf.leave((self.channel_id, forgotten.open.request_id), forgotten)
            forgotten.forget()

    def _start_tail(self) -> None:
        if not any(other.state in LIVE for other in self.streams.values()):
            self._tail.begin(self._cadence.count, self.shape.farewell, self.now)

    def _end_tail(self) -> None:
        count, owing = self._cadence.count, self.account.credit > 0
        if self._tail.over(count, self.now, waiting=bool(self._queue), owing=owing):
            self._cadence.stop()

    def _end(self, error: TallystickError | None) -> None:
        """What was accepted is kept for RESUME, unless this is a goodbye; the rest is settled, so that the account
        keeps what was delivered.
        """
        keep = error is not None and error.code not in HOPELESS
        for number, held in list(self.streams.items()):
            self._drop(number, held, keep=keep)
        super()._end(error)

    def _drop(self, number: int, held: ProviderStream, *, keep: bool) -> None:
        key = (self.channel_id, held.open.request_id)
        mine = self._shelf.find(key) is held
        self._shelf.leave(key, held)
        detached = DROPPED_PROVIDER[held.state] is StreamState.DETACHED
        if keep and mine and detached and held.accepted and held.resumable:
            self._detach(number, held)
            self._shelf.put(key, held, self.account, self.now)
            return
        if held.state in LIVE and held.ending is None:
            self._settle(held)
            held.state = StreamState.FAILED
            self._events.append(Stopped(number, "lost"))
            self._done(number, held, "lost")
        held.forget()


def _digest(body: Open) -> bytes:
    return hashlib.blake2s(encode_body(body)).digest()
