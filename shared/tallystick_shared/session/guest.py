"""Guests: one question on a connection without a channel, for nothing.

After the handshake a guest opens one stream in place of AUTH. Its price is 0 and its services are public knowledge that
a provider gives away; the whole question stands in OPEN's parameters, and `max_units` is the most bytes that the guest
will take. ACCEPT, DATA and END come as for anybody, at full speed in records of 16 KiB: what everyone may know needs
no shape. END carries the operator's receipt over the answer, and is the end of the connection.

What a provider gives away to newcomers (`trial`) is no public knowledge: its stream has the shape of any paid one, and
is driven by the same `ClientSession` and `ProviderSession`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tallystick_shared.channel import channels_domain
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError, code_of
from tallystick_shared.messages import (
    MAX_PARAMS,
    Accept,
    Body,
    Data,
    End,
    Error,
    Open,
    amount_bytes,
    encode_body,
)
from tallystick_shared.profile import answer_digest
from tallystick_shared.records import HEADER, SIZES, Frame, Hello, Record, Type
from tallystick_shared.voucher import Receipt

from .greeting import ProviderIdentity, read_answer, write_hello
from .peer import Peer
from .shape import TEXT
from .tables import CLIENT_CONNECTION, CLIENT_STREAM, ConnectionState, StreamState, advance

SERVICES = ("market.snapshot", "channels.opened", "node.advert", "reach.check")
PIECE = SIZES[-1] - HEADER.size - 20
STREAM = 1
NOTHING = bytes(32)
FREE = amount_bytes(0)


def check_open(number: int, body: Open) -> None:
    """May a guest ask this? Raises PeerError PROTOCOL, UNKNOWN_SERVICE, BAD_REQUEST."""
    if number == 0:
        raise PeerError(Code.PROTOCOL, stream=number)
    if body.service not in SERVICES:
        raise PeerError(Code.UNKNOWN_SERVICE)
    if body.input_length:
        raise PeerError(Code.BAD_REQUEST)
    check_price(body)


def check_price(body: Open) -> None:
    """Whatever a guest asks costs nothing. Raises PeerError BAD_REQUEST."""
    if body.price_in != FREE or body.price_out != FREE:
        raise PeerError(Code.BAD_REQUEST)


@dataclass
class GuestStream:
    """The provider's side of the one stream."""

    number: int
    open: Open
    seq: int = 0
    units: int = 0
    digest: hashlib.blake2s = field(default_factory=hashlib.blake2s)

    def piece(self, data: bytes) -> Data:
        """The next DATA. Raises PeerError TOO_LARGE beyond what the guest takes."""
        if self.units + len(data) > self.open.max_units:
            raise PeerError(Code.TOO_LARGE, limit=self.open.max_units)
        self.seq, self.units = self.seq + 1, self.units + len(data)
        body = Data(self.seq, self.units, 0, data)
        self.digest.update(encode_body(body))
        return body

    def end(self, crypto: Crypto, me: ProviderIdentity) -> End:
        """END, with the operator's receipt: no channel, no amount, but this answer to this request."""
        salt, digest = crypto.random(16), self.digest.digest()
        receipt = Receipt(NOTHING, self.open.request_id, 0, self.units, NOTHING, answer_digest(salt, digest), salt)
        receipt = receipt.signed(crypto, channels_domain(me.chain_id, me.channels), me.operator_key)
        return End(0, self.units, FREE, "stop", digest, salt, receipt.signature)


@dataclass(frozen=True)
class Question:
    """What a guest asks: a service, its parameters, and the most bytes of an answer."""

    service: str
    params: bytes
    most: int

    def __post_init__(self) -> None:
        """Raises LocalError BAD_REQUEST where OPEN could not carry it."""
        if len(self.params) > MAX_PARAMS or not 0 < self.most < 1 << 32:
            raise LocalError(Code.BAD_REQUEST)


@dataclass(frozen=True)
class Signer:
    """Who signs for the answer: the provider's operator, in the domain of this channels contract (20 bytes each)."""

    operator: bytes
    contract: bytes


class GuestSession(Peer):
    """A guest's end of a connection: `start`, and at the end Closed, with an error or with `answer` there. What it
    keeps in memory is bounded by the question.
    """

    connection_table = CLIENT_CONNECTION
    stream_table = CLIENT_STREAM

    def __init__(self, crypto: Crypto, hello: Hello, node_key: bytes, question: Question, signer: Signer) -> None:
        super().__init__(crypto, TEXT.up)
        self.hello = hello
        self.answer: bytes | None = None
        self.error: TallystickError | None = None
        self._node_key = node_key
        self._question, self._signer = question, signer
        self._request_id = crypto.random(16)
        self._stream = StreamState.IDLE
        self._seq = 0
        self._data = bytearray()
        self._digest = hashlib.blake2s()

    def start(self) -> None:
        """Sends HELLO and the first handshake message. Raises LocalError BAD_PROFILE; PROVIDER_GONE after the end."""
        if self.state is not ConnectionState.NEW:
            raise LocalError(Code.PROVIDER_GONE)
        self._opening, first = write_hello(self.crypto, self.hello, self._node_key)
        self._out.append(bytes([Frame.HELLO]) + first)
        self.state = ConnectionState.HELLO

    def _greeting(self, kind: int, body: bytes) -> None:
        if self.state is not ConnectionState.HELLO or self._opening is None:
            raise PeerError(Code.PROTOCOL, frame=kind)
        read_answer(self.crypto, self._opening, kind, body)
        self._start_transport(self._opening.noise)
        self.state, self._stream = ConnectionState.GUEST, StreamState.INPUT
        asked = self._question
        opening = Open(self._request_id, asked.service, "", asked.params, 0, asked.most, FREE, FREE)
        self._send(Record(Type.OPEN, STREAM, encode_body(opening)))

    def _handle(self, stream: int, body: Body) -> None:
        if isinstance(body, Error) and stream in (0, STREAM):
            self._end(PeerError(code_of(body.code)))
            return
        kinds = {Accept: Type.ACCEPT, Data: Type.DATA, End: Type.END}
        if stream != STREAM or type(body) not in kinds:
            raise PeerError(Code.PROTOCOL, type=type(body).__name__)
        self._stream = advance(self.stream_table, self._stream, kinds[type(body)])
        if isinstance(body, Data):
            self._take(body)
        elif isinstance(body, End):
            self._finish(body)

    def _end(self, error: TallystickError | None) -> None:
        self.error = error
        super()._end(error)

    def _take(self, body: Data) -> None:
        """A unit is a byte."""
        if body.seq != self._seq + 1 or body.units != len(self._data) + len(body.data):
            raise PeerError(Code.PROTOCOL, seq=body.seq, units=body.units)
        if body.units > self._question.most:
            raise PeerError(Code.TOO_LARGE, limit=self._question.most)
        self._seq = body.seq
        self._data += body.data
        self._digest.update(encode_body(body))

    def _finish(self, body: End) -> None:
        if body.units != len(self._data) or body.amount != FREE:
            raise PeerError(Code.OVERCHARGED, units=body.units)
        digest = self._digest.digest()
        if body.digest != digest:
            raise PeerError(Code.BAD_DIGEST)
        salted = answer_digest(body.salt, digest)
        receipt = Receipt(NOTHING, self._request_id, 0, body.units, NOTHING, salted, body.salt, body.receipt)
        domain = channels_domain(self.hello.chain_id, self._signer.contract)
        receipt.verify(self.crypto, domain, self._signer.operator)
        self.answer = bytes(self._data)
        self.bye()
