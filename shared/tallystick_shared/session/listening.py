"""What a client does with what arrives: it counts, checks, and asks for the vouchers that this is worth."""

from __future__ import annotations

from tallystick_shared.channel import channels_domain
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, PeerError, TallystickError, code_of
from tallystick_shared.messages import (
    Accept,
    AuthOk,
    Body,
    Cancel,
    CloseOk,
    Data,
    End,
    Error,
    PayFirst,
    VoucherOk,
    Window,
    amount_int,
    encode_body,
)
from tallystick_shared.money import Account
from tallystick_shared.profile import answer_digest
from tallystick_shared.records import Hello, Record, Type
from tallystick_shared.voucher import Payment, Receipt, Signed

from .client_stream import GONE, INPUT_RECORD, ClientStream
from .events import (
    Accepted,
    CloseAccepted,
    Finished,
    Output,
    Ready,
    Refused,
    VoucherDue,
    VoucherDurable,
)
from .greeting import Proof
from .guest import NOTHING, Signer
from .peer import PAD, Peer, forget_ended
from .purse import UNDER_WAY, Purse
from .requests import ClientLimits
from .shape import shape_of
from .tables import (
    CLIENT_CONNECTION,
    CLIENT_STREAM,
    LIVE,
    ConnectionState,
    StreamState,
    advance,
)


class Listening(Peer):
    """The hearing half of `ClientSession`, which greets and asks."""

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
        self._signer: Signer | None = None
        """Who signs for answers, where this is a guest."""
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

    # -- what it does by itself

    def cancel(self, stream: int, reason: int = 0) -> None:
        """Stops a stream; it still ends with Finished. Nothing happens if it has ended."""
        held = self.streams.get(stream)
        if held is not None and held.state in LIVE:
            held.most = self.purse.most(held)
            held.state = StreamState.CANCELLED
            self.progressed = self.now
            self._post(Cancel(reason), stream, at_once=True)

    def _send_input(self, number: int, held: ClientStream) -> None:
        """The input in records of 4 KiB as far as its window reaches, at last padded to a power of two."""
        done = held.padded
        while (piece := held.next_input()) is not None:
            self._send(Record(Type.INPUT, number, encode_body(piece)), INPUT_RECORD)
        if held.padded and not done:
            for _ in range(held.input_padding()):
                self._send(PAD, INPUT_RECORD)

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
        channel_id, signer = self._answerer()
        request = held.request
        served = held.accepted and body.finish != GONE
        manifest = request.offer.manifest if served else bytes(32)
        digest = answer_digest(body.salt, body.digest)
        receipt = Receipt(channel_id, request.request_id, amount, body.units, manifest, digest, body.salt, body.receipt)
        receipt.verify(self.crypto, channels_domain(self.hello.chain_id, signer.contract), signer.operator)
        return receipt

    def _answerer(self) -> tuple[bytes, Signer]:
        """On which channel, and who signs for what is received."""
        if self._signer is not None:
            return NOTHING, self._signer
        assert self._payment is not None and self._proof is not None
        return self._payment.channel_id, Signer(self._proof.operator, self._proof.contract)

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
