"""The provider's end of a connection: it checks a proof, counts input, and serves no further than it is paid."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from dataclasses import dataclass, field

from tallystick_shared.channel import Config, channels_domain, leaf, root_of
from tallystick_shared.crypto import Crypto, InvalidTag
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
    Data,
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
    encode,
    encode_body,
)
from tallystick_shared.money import Account, Price
from tallystick_shared.noise import NK, HandshakeState
from tallystick_shared.profile import answer_digest
from tallystick_shared.records import HEADER, HELLO_SIZE, LOW_LATENCY, Frame, Hello, Record, Type
from tallystick_shared.voucher import NOTHING, Payment, Signed, auth_digest, is_signed_by, receipt_digest

from .events import (
    AuthOffered,
    CloseAsked,
    InputComplete,
    Keyed,
    RequestOffered,
    RequestReady,
    Stopped,
    StreamDone,
    VoucherReceived,
)
from .peer import Peer, forget_ended
from .shape import LOW_LATENCY as FAST
from .shape import TEXT, Cadence, padded_count
from .tables import LIVE, PROVIDER_CONNECTION, PROVIDER_STREAM, ConnectionState, StreamState, advance

MAX_BACKLOG = 64 * 1024
MAX_STREAMS = 8
INFO_SIZE = 256
PAUSE_LIMIT = 5.0
DATA_OVERHEAD = 20
PUT_OFF_LIMIT = 2


@dataclass(frozen=True)
class ProviderIdentity:
    """Who this provider is, on chain and on the wire: addresses 20 bytes, private keys 32."""

    chain_id: int
    registry: bytes
    channels: bytes
    provider: bytes
    payee: bytes
    operator: bytes
    node_key: bytes
    operator_key: bytes
    price_epoch: int = 0


@dataclass
class ProviderStream:
    open: Open
    price: Price
    state: StreamState
    input: bytearray = field(default_factory=bytearray)
    input_units: int = -1
    max_units: int = 0
    manifest: bytes = bytes(32)
    pending: deque[tuple[bytes, int, int]] = field(default_factory=deque)
    queued_units: int = 0
    units: int = 0
    seq: int = 0
    finish: str = ""
    waiting: int = 0
    place: tuple[int, int] = (0, 0)
    paused_since: float | None = None
    acknowledged: int = 0
    complete: bool = False
    digest: hashlib.blake2s = field(default_factory=hashlib.blake2s)


class ProviderSession(Peer):
    """One connection from one client.

    The driver answers AuthOffered with `accept_auth` or `refuse`, InputComplete with `measure` or `fail`,
    RequestReady by running the engine into
    `data` and `finish`, VoucherReceived with `voucher_durable`, CloseAsked with `close_ok` or `refuse`.
    """

    connection_table = PROVIDER_CONNECTION
    stream_table = PROVIDER_STREAM

    def __init__(self, crypto: Crypto, identity: ProviderIdentity, wall: int) -> None:
        super().__init__(crypto, TEXT.down)
        self.identity = identity
        self.account = Account(cap=0, window=0)
        self.channel_id = b""
        self.streams: dict[int, ProviderStream] = {}
        self.highest = NOTHING
        self._wall = wall
        self._payment: Payment | None = None
        self._backlog: list[bytes] = []
        self._tail = 0
        self._put_off = 0

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

    def _hello(self, body: bytes) -> None:
        hello = Hello.decode(body[:HELLO_SIZE])
        me = self.identity
        if hello.suite != 1:
            raise PeerError(Code.BAD_SUITE, suite=hello.suite)
        if (hello.chain_id, hello.registry, hello.provider) != (me.chain_id, me.registry, me.provider):
            raise PeerError(Code.WRONG_PROVIDER)
        handshake = HandshakeState(self.crypto, NK, initiator=False, prologue=body[:HELLO_SIZE], s=me.node_key)
        try:
            handshake.read_message(body[HELLO_SIZE:])
        except (InvalidTag, ValueError):
            raise PeerError(Code.HANDSHAKE_FAILED) from None
        info = encode(ServerInfo(self._wall, MAX_STREAMS, MAX_INPUT, me.price_epoch))
        payload = (struct.pack(">H", len(info)) + info).ljust(INFO_SIZE, b"\0")
        self._out.append(bytes([Frame.HANDSHAKE]) + handshake.write_message(payload))
        self._start_transport(handshake)
        if hello.flags & LOW_LATENCY:
            self._cadence = Cadence(FAST.down)
        self.state = ConnectionState.KEYED
        self._events.append(Keyed(self.handshake_hash))

    def _auth(self, body: Auth) -> None:
        """Checks all of AUTH that needs no chain: contract, root, signature over this handshake, expiry."""
        me = self.identity
        if body.contract != me.channels:
            raise PeerError(Code.BAD_PROOF, reason="contract")
        config = Config.from_body(body.config)
        if not body.proof and any(body.leaf_salt):
            raise PeerError(Code.BAD_PROOF, reason="salt")
        mine = leaf(self.crypto, me.payee, me.operator, body.leaf_salt)
        if root_of(self.crypto, mine, body.proof) != config.root:
            raise PeerError(Code.BAD_PROOF, reason="root")
        if body.expiry < self._wall:
            raise PeerError(Code.AUTH_EXPIRED)
        domain = channels_domain(me.chain_id, me.channels)
        channel_id = config.channel_id(self.crypto, domain)
        digest = auth_digest(self.crypto, domain, self.handshake_hash, channel_id, me.provider, body.expiry)
        if not is_signed_by(self.crypto, digest, body.signature, config.signer):
            raise PeerError(Code.BAD_SIGNATURE)
        self.channel_id = channel_id
        self._payment = Payment(domain, channel_id, me.payee, config.signer)
        self._events.append(AuthOffered(channel_id, config, len(body.proof), body))

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
            )
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
        self.streams[number] = ProviderStream(body, price, StreamState.OFFERED)
        self._cadence.start(self.now)
        self._tail = 0
        if sum(other.state in LIVE for other in self.streams.values()) > MAX_STREAMS:
            self.fail(number, PeerError(Code.TOO_MANY_STREAMS), retry_after_ms=1000)
            return
        if self._in_use(number, body.request_id):
            self.fail(number, PeerError(Code.REQUEST_CONFLICT))
            return
        digest = hashlib.blake2s(encode_body(body)).digest()
        self._events.append(RequestOffered(number, body, digest))

    def _in_use(self, number: int, request_id: bytes) -> bool:
        """Is this request under way, on another stream here or on another connection of the channel?"""
        here = (other.open.request_id for at, other in self.streams.items() if at != number and other.state in LIVE)
        return request_id in self.account.running or request_id in here

    def _input(self, number: int, held: ProviderStream, body: Input) -> None:
        if held.state is StreamState.FAILED:
            return
        if held.complete:
            raise PeerError(Code.PROTOCOL, type="INPUT")
        held.input += body.data
        if body.offset + len(body.data) != len(held.input) or len(held.input) > held.open.input_length:
            raise PeerError(Code.BAD_MESSAGE, offset=body.offset)
        if body.fin:
            if len(held.input) != held.open.input_length:
                raise PeerError(Code.BAD_MESSAGE, length=len(held.input))
            data, held.input, held.complete = bytes(held.input), bytearray(), True
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
        there is.
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
        if final.amount < self.account.owed and final.amount < self.highest.amount:
            final = self.highest
        if final.amount < min(self.account.owed, self.account.durable):
            # Another connection of this channel brought the voucher that pays; closing for less would lose it.
            raise PeerError(Code.BAD_VOUCHER, amount=final.amount)
        self._events.append(CloseAsked(final))

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
            if self.account.durable >= held.waiting:  # not asked yet, or paid and no longer enough
                held.waiting = needed
                self._post(PayFirst(amount_bytes(needed)))
        else:
            self.account.start(held.open.request_id, held.price, held.input_units)
            held.max_units = min(held.open.max_units, affordable)
            held.state = StreamState.RUNNING
            self._post(Accept(held.input_units, *held.place, False), number)
            self._events.append(RequestReady(number, held.max_units))

    def data(self, stream: int, data: bytes, units: int, kind: int = 0) -> None:
        """Output of the engine, worth `units` more units. It leaves at the next beats, as far as it is paid for."""
        held = self.streams[stream]
        if held.state in (StreamState.RUNNING, StreamState.PAUSED) and not held.finish:
            held.queued_units += units
            held.pending.append((data, held.queued_units, kind))

    def finish(self, stream: int, reason: str) -> None:
        """The engine is done (`stop`, `length`); END follows once everything is delivered."""
        held = self.streams[stream]
        if held.state in (StreamState.RUNNING, StreamState.PAUSED) and not held.finish:
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

    def _filler(self) -> Record | None:
        """The next DATA of a stream that has some and is allowed to send it, or an END; streams take turns."""
        for number, held in list(self.streams.items()):
            if held.state not in (StreamState.RUNNING, StreamState.PAUSED):
                continue
            record = self._next_data(number, held)
            if record is None and held.finish and not held.pending:
                record = self._conclude(number, held)
            if record is not None:
                self.streams[number] = self.streams.pop(number)
                return record
        return None

    def _next_data(self, number: int, held: ProviderStream) -> Record | None:
        room = self._cadence.beat.size - HEADER.size - DATA_OVERHEAD
        data, units, kind = bytearray(), held.units, None
        while held.pending:
            piece, total, piece_kind = held.pending[0]
            if kind not in (None, piece_kind) or (data and len(data) + len(piece) > room):
                break
            if not self.account.allows(held.open.request_id, total):
                break
            held.pending.popleft()
            data += piece[:room]
            kind = piece_kind
            if len(piece) > room:  # its units count with its last part: never more units than bytes so far
                held.pending.appendleft((piece[room:], total, piece_kind))
            else:
                units = total
        if kind is None:
            return None
        held.seq += 1
        held.units = units
        self.account.deliver(held.open.request_id, units)
        body = encode_body(Data(held.seq, units, kind, bytes(data)))
        held.digest.update(body)
        return Record(Type.DATA, number, body)

    def _check_pauses(self) -> None:
        for number, held in list(self.streams.items()):
            if held.state not in (StreamState.RUNNING, StreamState.PAUSED) or not held.pending:
                continue
            total = held.pending[0][1]
            if self.account.allows(held.open.request_id, total):
                held.state, held.paused_since = StreamState.RUNNING, None
            elif self.account.owed_with(held.open.request_id, total) > self.account.cap:
                self._stop(number, held, "deposit")
            elif held.paused_since is None:
                held.state, held.paused_since = StreamState.PAUSED, self.now
            elif self.now - held.paused_since > PAUSE_LIMIT:
                self._stop(number, held, "interrupted")

    def _stop(self, number: int, held: ProviderStream, reason: str) -> None:
        """Nothing more of this stream is sent; END follows at the next beat."""
        started = held.state in (StreamState.RUNNING, StreamState.PAUSED)
        held.pending.clear()
        held.finish = reason
        if started:
            held.state = StreamState.RUNNING
        else:
            held.state = StreamState.CANCELLED
            self._queue.append(self._conclude(number, held))
        self._events.append(Stopped(number, reason))

    def _conclude(self, number: int, held: ProviderStream) -> Record:
        """Settles the stream and makes its END."""
        amount = self._settle(held)
        held.state = StreamState.DONE
        salt = self.crypto.random(16)
        digest = held.digest.digest()
        me = self.identity
        receipt = receipt_digest(
            self.crypto,
            channels_domain(me.chain_id, me.channels),
            channel_id=self.channel_id,
            request_id=held.open.request_id,
            amount=amount,
            units=held.units,
            manifest=held.manifest,
            digest=answer_digest(salt, digest),
        )
        signature = self.crypto.secp256k1_sign(me.operator_key, receipt)
        finish = held.finish or "cancelled"
        body = End(max(0, held.input_units), held.units, amount_bytes(amount), finish, digest, salt, signature)
        self._done(number, held, finish, amount)
        return Record(Type.END, number, encode_body(body))

    def _settle(self, held: ProviderStream) -> int:
        if held.state in (StreamState.RUNNING, StreamState.PAUSED):
            return self.account.finish(held.open.request_id)
        return 0

    def _done(self, number: int, held: ProviderStream, finish: str, amount: int) -> None:
        self._events.append(
            StreamDone(number, held.open.request_id, finish, max(0, held.input_units), held.units, amount)
        )
        held.input = bytearray()
        if not any(other.state in LIVE for other in self.streams.values()):
            self._tail = padded_count(self._cadence.count + 1)
        forget_ended(self.streams, number)

    def _end_tail(self) -> None:
        if self._tail and self._cadence.count >= self._tail and not self._queue:
            self._cadence.stop()
            self._tail = 0

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
