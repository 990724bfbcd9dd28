"""The client's end of a connection: it proves a channel, asks, receives, and signs for exactly what it received."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field

from tallystick_shared.channel import Config, channels_domain
from tallystick_shared.crypto import Crypto, InvalidTag
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError, code_of
from tallystick_shared.messages import (
    MAX_INPUT,
    MAX_PARAMS,
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
    decode,
    encode_body,
)
from tallystick_shared.money import Account, lower_bound_units, plausible_input, plausible_output
from tallystick_shared.noise import NK, HandshakeState
from tallystick_shared.profile import Offer
from tallystick_shared.records import LOW_LATENCY, Frame, Hello, Record, Type
from tallystick_shared.voucher import Payment, Signed, auth_digest

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
from .peer import Peer, forget_ended
from .shape import LOW_LATENCY as FAST
from .shape import TEXT
from .tables import CLIENT_CONNECTION, CLIENT_STREAM, LIVE, ConnectionState, StreamState, advance

INPUT_RECORD = 4096
INPUT_PIECE = INPUT_RECORD - 7 - 16
AUTH_LIFETIME = 120
VOUCHER_LEAD = 0.2


@dataclass(frozen=True)
class ClientLimits:
    """What this client allows: the largest credit window it will owe, and how much it pays ahead of delivery at
    the most.
    """

    window: int
    advance: int


@dataclass(frozen=True)
class Resume:
    """What the client kept from before: the highest amount it signed, what it owed then, and whether an answer was
    cut off.
    """

    signed: int = 0
    owed: int = 0
    in_flight: bool = False


@dataclass(frozen=True)
class Request:
    """A request: its 16-byte id, the service and its bytes, the offer it goes to, and the most output units
    wanted.
    """

    request_id: bytes
    service: str
    params: bytes
    input: bytes
    offer: Offer
    max_units: int

    def __post_init__(self) -> None:
        """Raises LocalError PROMPT_TOO_LONG or BAD_REQUEST where OPEN could not carry it."""
        if len(self.input) > MAX_INPUT:
            raise LocalError(Code.PROMPT_TOO_LONG, size=len(self.input), limit=MAX_INPUT)
        if len(self.params) > MAX_PARAMS or not 0 < self.max_units < 1 << 32:
            raise LocalError(Code.BAD_REQUEST)


@dataclass
class ClientStream:
    request: Request
    state: StreamState
    seq: int = 0
    units: int = 0
    received: int = 0
    input_units: int = 0
    most: int | None = None
    refusal: TallystickError | None = None
    digest: hashlib.blake2s = field(default_factory=hashlib.blake2s)


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
    ) -> None:
        shape = FAST if hello.flags & LOW_LATENCY else TEXT
        super().__init__(crypto, shape.up)
        self.hello = hello
        self.limits = limits
        self.account = Account(cap=0, window=0)
        self.signed = 0
        self.streams: dict[int, ClientStream] = {}
        self._node_key = node_key
        self._payment: Payment | None = None
        self._key = b""
        self._resume = Resume()
        self._last_record = 0.0
        self._quiet = shape.down.interval * 3
        self._due = False
        self._pay_first = 0
        self._next_stream = 1

    # -- handshake

    def start(self) -> None:
        """Sends HELLO and the first handshake message. Raises LocalError BAD_PROFILE; PROVIDER_GONE after the end."""
        if self.state is not ConnectionState.NEW:
            raise LocalError(Code.PROVIDER_GONE)
        prologue = self.hello.encode()
        self._handshake = HandshakeState(self.crypto, NK, initiator=True, prologue=prologue, rs=self._node_key)
        try:
            first = self._handshake.write_message(b"")
        except ValueError:
            raise LocalError(Code.BAD_PROFILE, reason="node key") from None
        self._out.append(bytes([Frame.HELLO]) + prologue + first)
        self.state = ConnectionState.HELLO

    def _greeting(self, kind: int, body: bytes) -> None:
        if self.state is not ConnectionState.HELLO or self._handshake is None:
            raise PeerError(Code.PROTOCOL, frame=kind)
        if kind == Frame.REFUSED and len(body) == 2:
            raise PeerError(code_of(struct.unpack(">H", body)[0]))
        if kind != Frame.HANDSHAKE:
            raise PeerError(Code.HANDSHAKE_FAILED, frame=kind)
        try:
            payload = self._handshake.read_message(body)
        except (InvalidTag, ValueError):
            raise PeerError(Code.HANDSHAKE_FAILED) from None
        self._start_transport(self._handshake)
        size = int.from_bytes(payload[:2], "big")
        info = decode(ServerInfo, payload[2 : 2 + size])
        self.state = ConnectionState.KEYED
        self._events.append(Keyed(self.handshake_hash, info))

    def authenticate(
        self, contract: bytes, config: Config, key: bytes, payee: bytes, cap: int, resume: Resume, wall: int
    ) -> None:
        """Proves the channel to this provider with the session key (depth 0). `wall` is Unix time in seconds."""
        domain = channels_domain(self.hello.chain_id, contract)
        channel_id = config.channel_id(self.crypto, domain)
        expiry = wall + AUTH_LIFETIME
        digest = auth_digest(self.crypto, domain, self.handshake_hash, channel_id, self.hello.provider, expiry)
        self._payment = Payment(domain, channel_id, payee, config.signer)
        self._key = key
        self._resume = resume
        self.signed = resume.signed
        self.account = Account(cap=cap, window=self.limits.window, settled=resume.owed)
        signature = self.crypto.secp256k1_sign(key, digest)
        self._post(Auth(contract, config.body(), bytes(32), (), signature, expiry), at_once=True)
        self.state = ConnectionState.AUTHING

    # -- asking

    def first_amount(self, request: Request) -> int:
        """The total that the voucher beside OPEN promises: a lower bound of the input's price on top of what is
        owed.
        """
        units = lower_bound_units(len(request.input), request.offer.bytes_per_unit)
        return min(self.account.cap, max(self.signed, self.account.owed + request.offer.price.amount(units, 0)))

    def open(self, request: Request, amount: int) -> int:
        """Opens a stream and sends its input in the same flight. `amount` is the stored result of `first_amount`.
        Returns the stream's number.
        """
        if self.state not in (ConnectionState.AUTHING, ConnectionState.READY):
            raise LocalError(Code.PROVIDER_GONE)
        number, self._next_stream = self._next_stream, self._next_stream + 1
        price = request.offer.price
        if not any(held.state is StreamState.INPUT for held in self.streams.values()):
            self._pay_first = 0
        self.streams[number] = ClientStream(request, StreamState.INPUT)
        self._post(
            Open(
                request.request_id,
                request.service,
                request.offer.model,
                request.params,
                len(request.input),
                request.max_units,
                amount_bytes(price.input),
                amount_bytes(price.output),
            ),
            number,
            at_once=True,
        )
        if amount > 0 and amount >= self.signed:
            self.send_voucher(amount, at_once=True)
        self._send_input(number, request.input)
        self._cadence.start(self.now)
        self._last_record = self.now
        return number

    def _send_input(self, number: int, data: bytes) -> None:
        """The input in records of 4 KiB, their count padded to a power of two."""
        pieces = [data[at : at + INPUT_PIECE] for at in range(0, len(data), INPUT_PIECE)] or [b""]
        for index, piece in enumerate(pieces):
            last = index == len(pieces) - 1
            body = Input(index * INPUT_PIECE, piece, last)
            self._send(Record(Type.INPUT, number, encode_body(body)), INPUT_RECORD)
        for _ in range((1 << (len(pieces) - 1).bit_length()) - len(pieces)):
            self._send(Record(Type.PAD, 0, b""), INPUT_RECORD)

    def cancel(self, stream: int, reason: int = 0) -> None:
        """Stops a stream; it still ends with Finished. Nothing happens if it has ended."""
        held = self.streams.get(stream)
        if held is not None and held.state in LIVE:
            held.most = self._most(held)
            held.state = StreamState.CANCELLED
            self._post(Cancel(reason), stream, at_once=True)

    def _most(self, held: ClientStream) -> int:
        """The most a stream may cost that is cancelled now: an honest provider was at most a window beyond
        what is signed.
        """
        running = self.account.running.get(held.request.request_id)
        ahead = max(0, self.signed - self.account.owed) + self.account.window
        return ahead + (running.amount if running else 0)

    def send_voucher(self, amount: int, *, at_once: bool = False) -> None:
        """Signs and sends a total that the driver has stored. Raises LocalError ABOVE_CAP."""
        if amount > self.account.cap:
            raise LocalError(Code.ABOVE_CAP, amount=amount)
        self.signed = max(self.signed, amount)
        self._due = False
        acknowledged = tuple((number, held.seq) for number, held in self.streams.items() if held.seq)[-8:]
        voucher = self._sign(amount)
        self._queue = type(self._queue)(record for record in self._queue if record.type != Type.VOUCHER)
        self._post(Voucher(amount_bytes(amount), voucher.signature, acknowledged), at_once=at_once)

    def _sign(self, amount: int) -> Signed:
        assert self._payment is not None
        return self._payment.sign(self.crypto, self._key, amount)

    @property
    def live(self) -> bool:
        """True while any stream has not ended."""
        return any(held.state in LIVE or held.state is StreamState.CANCELLED for held in self.streams.values())

    def final_amount(self) -> int:
        """What the final voucher says: exactly what is owed."""
        return min(self.account.owed, self.account.cap)

    def close(self) -> None:
        """Asks the provider to close the channel for exactly what is owed. Store `final_amount` first where it is
        above `signed`.
        """
        if self.state is not ConnectionState.READY:
            raise LocalError(Code.PROVIDER_GONE)
        amount = self.final_amount()
        signature = self._sign(amount).signature if amount else b""
        self.signed = max(self.signed, amount)
        self._post(Close(amount_bytes(amount), signature), at_once=True)
        self.state = ConnectionState.DRAINING

    # -- time

    def _time_passed(self) -> None:
        if self._voucher_wanted() and self.now >= self._cadence.next - min(
            VOUCHER_LEAD, self._cadence.beat.interval / 2
        ):
            self._ask_voucher()
        super()._time_passed()
        if self._cadence.running and not self.live and self.now - self._last_record > self._quiet and not self._due:
            self._cadence.stop()
            self._flush()

    def next_deadline(self) -> float | None:
        beat = super().next_deadline()
        if beat is None or not self._voucher_wanted():
            return beat
        return beat - min(VOUCHER_LEAD, self._cadence.beat.interval / 2)

    def _target(self) -> int:
        """What is owed; ahead of it only what was asked for an input that still waits."""
        waiting = any(held.state is StreamState.INPUT for held in self.streams.values())
        return min(self.account.cap, max(self.account.owed, self._pay_first if waiting else 0))

    def _voucher_wanted(self) -> bool:
        return self.state is ConnectionState.READY and not self._due and self._target() > self.signed

    def _ask_voucher(self) -> None:
        self._due = True
        self._events.append(VoucherDue(self._target()))

    # -- what arrives

    def _record(self, record: Record) -> None:
        self._last_record = self.now
        super()._record(record)

    def _handle(self, stream: int, body: Body) -> None:
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
        kinds = {Accept: Type.ACCEPT, Data: Type.DATA, End: Type.END}
        if type(body) not in kinds:
            raise PeerError(Code.PROTOCOL, type=type(body).__name__)
        held.state = advance(self.stream_table, held.state, kinds[type(body)])
        if held.state is StreamState.FAILED:
            return
        if held.most is not None and isinstance(body, Accept | Data):
            self._check_cancelled(held, body)
        if isinstance(body, Accept):
            self._accept(number, held, body)
        elif isinstance(body, Data):
            self._data(number, held, body)
        elif isinstance(body, End):
            self._finish(number, held, body)

    def _auth_ok(self, body: AuthOk) -> None:
        amount, owed, window = amount_int(body.amount), amount_int(body.owed), amount_int(body.window)
        if window > self.limits.window:
            raise PeerError(Code.ADVANCE_TOO_LARGE, window=window)
        if amount > self.signed and self._payment is not None:
            self._payment.verify(self.crypto, Signed(amount, body.signature))
            self.signed = amount
        base = min(owed, self._resume.owed)
        if self._resume.in_flight:
            base = min(owed, self.signed + self.limits.advance)
        started = self.account.running
        self.account = Account(self.account.cap, window, base, min(amount, self.signed), started)
        for held in self.streams.values():
            if held.state is StreamState.CANCELLED:
                held.most = self._most(held)
        self._events.append(Ready(self.signed, self.account.owed, window))

    def _voucher_ok(self, amount: int) -> None:
        if amount > self.signed:
            raise PeerError(Code.PROTOCOL, amount=amount)
        if self.account.acknowledge(amount):
            self._events.append(VoucherDurable(amount))

    def _pay(self, amount: int) -> None:
        """The provider wants a total before it starts. Paid where waiting inputs and the allowed advance explain
        it; else those inputs are cancelled, and refused once the provider has ended them.
        """
        if amount <= self._explained({StreamState.INPUT}):
            self._pay_first = max(self._pay_first, amount)
            if not self._due and self._target() > self.signed:
                self._ask_voucher()
            return
        if amount <= self._explained({StreamState.INPUT, StreamState.CANCELLED}):
            return  # it was asked for an input that was cancelled meanwhile
        code = Code.DEPOSIT_EXHAUSTED if amount > self.account.cap else Code.ADVANCE_TOO_LARGE
        for number, held in self.streams.items():
            if held.state is StreamState.INPUT:
                self.cancel(number, code)
                held.refusal = PeerError(code, amount=amount)

    def _explained(self, states: set[StreamState]) -> int:
        """The most that PAY_FIRST may ask while inputs in these states are not accepted yet."""
        inputs = sum(
            held.request.offer.price.amount(len(held.request.input) + held.request.offer.template_units, 0)
            for held in self.streams.values()
            if held.state in states and held.request.request_id not in self.account.running
        )
        return min(self.account.cap, self.account.owed + inputs + self.limits.advance)

    def _check_cancelled(self, held: ClientStream, body: Accept | Data) -> None:
        """After CANCEL only what was under way may still come: the window beyond what was signed when it left."""
        price = held.request.offer.price
        if isinstance(body, Accept):
            amount = price.amount(body.input_units, 0)
        else:
            amount = price.amount(held.input_units, body.units)
        if held.most is not None and amount > held.most:
            raise PeerError(Code.OVERCHARGED, amount=amount, most=held.most)

    def _accept(self, number: int, held: ClientStream, body: Accept) -> None:
        request = held.request
        if request.request_id in self.account.running:
            raise PeerError(Code.PROTOCOL, type="ACCEPT")
        if not plausible_input(body.input_units, len(request.input), request.offer.template_units):
            raise PeerError(Code.OVERCHARGED, input_units=body.input_units)
        held.input_units = body.input_units
        self.account.start(request.request_id, request.offer.price, body.input_units)
        self._events.append(Accepted(number, body.input_units, body.queue_place, body.estimated_ms))

    def _data(self, number: int, held: ClientStream, body: Data) -> None:
        if held.request.request_id not in self.account.running:
            raise PeerError(Code.PROTOCOL, type="DATA")
        if body.seq != held.seq + 1 or body.units < held.units or body.units > held.request.max_units:
            raise PeerError(Code.PROTOCOL, seq=body.seq, units=body.units)
        received = held.received + len(body.data)
        if held.request.offer.kind == "text" and not plausible_output(body.units, received):
            raise PeerError(Code.OVERCHARGED, units=body.units)
        held.seq, held.units, held.received = body.seq, body.units, received
        held.digest.update(encode_body(body))
        self.account.deliver(held.request.request_id, body.units)
        self._events.append(Output(number, body.data, body.units, body.kind))

    def _finish(self, number: int, held: ClientStream, body: End) -> None:
        running = self.account.running.get(held.request.request_id)
        if running is None:
            amount, digest_ok = 0, body.units == 0
        else:
            amount = self.account.finish(held.request.request_id)
            digest_ok = body.digest == held.digest.digest()
        if body.units != held.units or amount_int(body.amount) != amount:
            raise PeerError(Code.OVERCHARGED, units=body.units, received=held.units)
        if not digest_ok:
            raise PeerError(Code.BAD_DIGEST)
        if held.refusal is not None:
            self._events.append(Refused(number, held.refusal, False, 0))
        else:
            self._events.append(Finished(number, body.finish, held.input_units, held.units, amount))
        forget_ended(self.streams, number)
        if self._voucher_wanted():
            self._ask_voucher()

    def _error(self, stream: int, body: Error) -> None:
        error = PeerError(code_of(body.code))
        if stream == 0:
            self._end(error)
            return
        held = self.streams.get(stream)
        if held is None or held.state is StreamState.DONE:
            raise PeerError(Code.PROTOCOL, stream=stream)
        if held.state is StreamState.FAILED:
            return
        held.state = advance(self.stream_table, held.state, Type.ERROR)
        self._give_up(stream, held, error, body.retryable, body.retry_after_ms)

    def _give_up(
        self, number: int, held: ClientStream, error: TallystickError, retryable: bool = False, retry_after_ms: int = 0
    ) -> None:
        held.state = StreamState.FAILED
        if held.request.request_id in self.account.running:
            self.account.finish(held.request.request_id)
        self._events.append(Refused(number, held.refusal or error, retryable, retry_after_ms))
