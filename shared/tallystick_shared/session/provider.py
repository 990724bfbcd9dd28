"""The provider's end of a connection: it checks a proof, counts input, and serves no further than it is paid."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

from tallystick_shared import limits
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
    Error,
    Input,
    Open,
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
from tallystick_shared.records import ALONE, Frame, Type
from tallystick_shared.services import TRIAL, service_of
from tallystick_shared.voucher import Payment, Signed

from .detached import Key, Shelf
from .events import (
    AuthOffered,
    CloseAsked,
    GuestAsked,
    InputComplete,
    Keyed,
    RequestOffered,
    StreamResumed,
    VoucherReceived,
)
from .greeting import ProviderIdentity, check_auth, pack_info, read_hello, write_answer
from .guest import NOTHING, GuestStream, check_open, check_price
from .provider_stream import ProviderStream
from .serving import Serving
from .shape import shape_of
from .tables import (
    ENDED,
    LIVE,
    PROVIDER_CONNECTION,
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
FREE = amount_bytes(0)


class ProviderSession(Serving):
    """One connection from one client.

    The driver answers AuthOffered with `accept_auth` or `refuse`, RequestOffered with `welcome`, `gone` or `fail`,
    InputComplete with `measure` or `fail`, RequestReady by running the engine into `data` and `finish`,
    VoucherReceived with `voucher_durable`, CloseAsked with `close_ok` or `refuse`, GuestAsked with `guest_data` and
    `guest_end` or `refuse`. `shelf` keeps what outlives the connection.
    """

    connection_table = PROVIDER_CONNECTION

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
        super().__init__(crypto, identity, shelf)
        self.ticket_holder = False
        """Did the client show a ticket of ours?"""
        self._wall = wall
        self._tickets, self._weigh = tickets, weigh
        self._payment: Payment | None = None
        self._backlog: list[bytes] = []
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
        if body.service == TRIAL.name and number:
            self._trial_open(number, body)
            return
        check_open(number, body)
        self._guest = GuestStream(number, body)
        self._post(Accept(0, 0, 0, False), number)
        self._events.append(GuestAsked(body.service, body.params, body.max_units))

    def _trial_open(self, number: int, body: Open) -> None:
        """Served like any other stream, from an account on which nothing can be owed; nothing of it outlives the
        connection.
        """
        check_price(body)
        self.channel_id, self._shelf = NOTHING, Shelf()
        self._take_shape(shape_of(self._flags, body.service))
        self._begin(number, body)
        if body.input_length > TRIAL.most_input:
            self.fail(number, PeerError(Code.PROMPT_TOO_LONG, limit=TRIAL.most_input))
            return
        self._events.append(RequestOffered(number, body, _digest(body)))

    def guest_data(self, piece: bytes) -> None:
        """A piece of the answer, at most `guest.PIECE` bytes. Raises PeerError TOO_LARGE where the guest takes less."""
        if self._guest is not None and not self.closed:
            self._post(self._guest.piece(piece), self._guest.number)

    def guest_end(self) -> None:
        """The answer is complete; the connection ends."""
        if self._guest is not None and not self.closed:
            self._post(self._guest.end(self.crypto, self.identity), self._guest.number)
            self._end(None)

    # -- the end

    def close_ok(self, transaction: bytes) -> None:
        """The closing transaction is on its way (hash, 32 bytes)."""
        if not self.closed:
            self._flush()
            self._post(CloseOk(transaction), at_once=True)
            self._end(None)


def _digest(body: Open) -> bytes:
    return hashlib.blake2s(encode_body(body)).digest()
