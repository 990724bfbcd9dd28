"""What a provider does for the streams it serves: it starts what is paid for, sends no further than it is paid, pauses,
and settles whatever ends.
"""

from __future__ import annotations

from tallystick_shared import limits
from tallystick_shared.channel import channels_domain
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.messages import (
    Accept,
    End,
    PayFirst,
    VoucherOk,
    amount_bytes,
    encode_body,
)
from tallystick_shared.money import Account
from tallystick_shared.profile import answer_digest
from tallystick_shared.records import HEADER, Record, Type
from tallystick_shared.voucher import NOTHING, Receipt, Signed

from .detached import Shelf
from .events import (
    RequestReady,
    Stopped,
    StreamDetached,
    StreamDone,
)
from .greeting import ProviderIdentity
from .peer import PAD, Peer, forget_ended
from .provider_stream import ProviderStream
from .shape import TEXT, Cadence, Shape, Tail
from .tables import (
    DROPPED_PROVIDER,
    LIVE,
    PROVIDER_STREAM,
    ConnectionState,
    StreamState,
)

PAUSE_LIMIT = limits.PAUSE.value
DATA_OVERHEAD = 20
PUT_OFF_LIMIT = 2

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


class Serving(Peer):
    """The serving half of `ProviderSession`, which proves the channel and hears the client."""

    stream_table = PROVIDER_STREAM

    def __init__(self, crypto: Crypto, identity: ProviderIdentity, shelf: Shelf | None) -> None:
        super().__init__(crypto, TEXT.down)
        self.shape = TEXT
        """The class of the traffic, by the last service that was asked for."""
        self.crowded = False
        """Set by the driver: its send queue has no room. What goes at full rate then waits, fillers too."""
        self.identity = identity
        self.account = Account(cap=0, window=0)
        self.channel_id = b""
        self.streams: dict[int, ProviderStream] = {}
        self.highest = NOTHING
        self._shelf = Shelf() if shelf is None else shelf  # an empty shelf is false
        self._tail = Tail()
        self._put_off = 0

    # -- what is paid for

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
        or after a voucher. What goes at full rate may be larger than what is kept after a drop, so none of it is; nor
        is anything of a guest's.
        """
        held = self.streams[stream]
        if held.state is not StreamState.INPUT:
            return
        held.input_units, held.manifest = input_units, manifest
        held.place = place, estimated_ms
        held.resumable = not self.shape.full_rate and self.state is not ConnectionState.GUEST
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

    def _ask_first(self, held: ProviderStream, needed: int) -> None:
        """PAY_FIRST, unless the last one is not paid yet."""
        if self.account.durable >= held.waiting:
            held.waiting = needed
            if not held.accepted:
                held.paused_since = None
            self._post(PayFirst(amount_bytes(needed)))

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

    # -- what leaves, and when

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
            self._shelf.ended((self.channel_id, held.open.request_id), held)
            self._start_tail()
            return Record(kind, number, body)
        if held.failure is not None:
            error, retry_after_ms = held.failure
            self.fail(number, error, retry_after_ms=retry_after_ms)
            return self._queue.popleft() if self._queue else None
        if held.finish and not held.pending:
            return self._conclude(number, held)
        return None

    # -- pauses

    def _check_pauses(self) -> None:
        """Whoever may not send its next piece waits for a voucher, also while what is old is sent again. A piece dearer
        than the window is asked for first: no voucher for what was received could ever cover it.
        """
        for number, held in list(self.streams.items()):
            if held.state is StreamState.INPUT and held.waiting:
                self._check_unpaid(number, held)
            if not held.started:
                continue
            total = held.next_total
            if total is None or self.account.allows(held.open.request_id, total):
                held.state, held.paused_since = StreamState.RUNNING, None
                continue
            needed = self.account.owed_with(held.open.request_id, total)
            if needed > self.account.cap:
                self._stop(number, held, "deposit")
                continue
            if needed - self.account.owed > self.account.window:
                if held.again:  # its client would be asked for more than it knows of
                    continue
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

    # -- ends

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
        if held.accepted:
            self._shelf.ended((self.channel_id, request_id), held)
        else:
            self._shelf.leave((self.channel_id, request_id), held)
        self._start_tail()
        self._forget_ended(number)

    def _detach(self, number: int, held: ProviderStream) -> None:
        """It is not here any longer; what still comes for its number is passed over."""
        self.streams[number] = ProviderStream(held.open, held.price, held.request_digest, StreamState.FAILED)
        if held.started:
            self._events.append(StreamDetached(number, held.open.request_id))
        held.state = StreamState.DETACHED

    def _forget_ended(self, keep: int) -> None:
        for forgotten in forget_ended(self.streams, keep):
            self._shelf.leave((self.channel_id, forgotten.open.request_id), forgotten)
            forgotten.forget()

    def _start_tail(self) -> None:
        if not any(other.state in LIVE for other in self.streams.values()):
            self._tail.begin(self._cadence.count, self.shape.farewell, self.now)

    def _end_tail(self) -> None:
        # A voucher that is on its way to the disk is still to be acknowledged.
        owing = self.account.credit > 0 or self.highest.amount > self.account.durable
        count = self._cadence.count
        if self._tail.over(count, self.now, waiting=bool(self._queue), owing=owing):
            self._cadence.stop()
            if self.state is ConnectionState.GUEST:  # it has this one stream
                self.bye()

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
            if self._settle(held):
                self._shelf.remember(key, held.cost)
            held.state = StreamState.FAILED
            self._events.append(Stopped(number, "lost"))
            self._done(number, held, "lost")
        held.forget()
