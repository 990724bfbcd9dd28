"""The bodies of records: MessagePack arrays with one typed schema for both sides.

msgspec checks types, lengths and field counts as it decodes; whatever does not fit is a `BAD_MESSAGE` of the peer.
Amounts are 16
big-endian bytes, because a token with 18 decimals overflows 64 bits at 18.4 units. Codec bytes are never signed:
signatures are EIP-712.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import Meta

from . import limits
from .errors import Code, PeerError
from .records import MAX_BODY, Type

Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes20 = Annotated[bytes, Meta(min_length=20, max_length=20)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=65, max_length=128)]
Amount = Bytes16
U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
U63 = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, Meta(max_length=200)]
Ack = tuple[U32, U32]

MAX_AMOUNT = 2**128 - 1
MAX_INPUT = limits.PROMPT.value
MAX_ATTACHMENTS = limits.ATTACHMENTS.value
MAX_PARAMS = limits.PARAMS.value
T = TypeVar("T")


def amount_bytes(amount: int) -> bytes:
    """An amount as it crosses the wire. Raises OverflowError beyond 128 bits or below zero."""
    return amount.to_bytes(16, "big")


def amount_int(data: bytes) -> int:
    return int.from_bytes(data, "big")


class Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A record's body."""


class ConfigBody(Body, frozen=True):
    """The channel's configuration, field for field the contract's `Config`."""

    payer: Bytes20
    signer: Bytes20
    root: Bytes32
    token: Bytes20
    delay: U32
    salt: Bytes32


class Auth(Body, frozen=True):
    """Proves a channel: its configuration, the path from this provider's leaf to the root, and a signature over
    this very handshake.
    """

    contract: Bytes20
    config: ConfigBody
    leaf_salt: Bytes32
    proof: Annotated[tuple[Bytes32, ...], Meta(max_length=8)]
    signature: Signature
    expiry: U63


class AuthOk(Body, frozen=True):
    """What the provider holds: the highest voucher with its signature (empty if none), what it counts as owed, and
    its credit window.
    """

    amount: Amount
    signature: Annotated[bytes, Meta(max_length=128)]
    owed: Amount
    window: Amount
    price_epoch: U63
    tickets: Annotated[tuple[Bytes32, ...], Meta(max_length=8)] = ()


class Open(Body, frozen=True):
    """Asks for work. `params` belongs to the service and is opaque here; prices are per 1,000,000 units. How long the
    input may be goes by the service, too.
    """

    request_id: Bytes16
    service: Name
    model: Name
    params: Annotated[bytes, Meta(max_length=MAX_PARAMS)]
    input_length: Annotated[int, Meta(ge=0, le=MAX_ATTACHMENTS)]
    max_units: U32
    price_in: Amount
    price_out: Amount


class Accept(Body, frozen=True):
    """Work will start: how many units the input is, the place in the queue, a guess of the wait in ms."""

    input_units: U32
    queue_place: U16
    estimated_ms: U32
    resumable: bool


class Input(Body, frozen=True):
    """A piece of the input at its byte offset; `fin` with the last."""

    offset: U32
    data: bytes
    fin: bool


class Data(Body, frozen=True):
    """A piece of the output. `units` is the stream's total so far, this piece included; `kind` belongs to the
    service (0 = its main output).
    """

    seq: U32
    units: U32
    kind: U8
    data: bytes


class Voucher(Body, frozen=True):
    """A signed promise of a total, and how far each stream has been received."""

    amount: Amount
    signature: Signature
    acknowledged: Annotated[tuple[Ack, ...], Meta(max_length=8)] = ()


class VoucherOk(Body, frozen=True):
    """The amount that the provider has on disk now."""

    amount: Amount


class Cancel(Body, frozen=True):
    """Stop. Reason 0: the person stopped; otherwise an error code."""

    reason: U16


class End(Body, frozen=True):
    """The end of a stream: totals, why it ended, BLAKE2s over all DATA bodies, and the operator's receipt
    (EIP-712) with its salt.
    """

    input_units: U32
    units: U32
    amount: Amount
    finish: Annotated[str, Meta(max_length=16)]
    digest: Bytes32
    salt: Bytes16
    receipt: Signature


class ResumeAt(Body, frozen=True):
    """Takes a request's stream over from a connection that broke: the seq wanted next, and what the stream has cost
    so far by the client's count (0 where it never heard ACCEPT).
    """

    request_id: Bytes16
    next_seq: U32
    amount: Amount


class Window(Body, frozen=True):
    """How many bytes of payload the other side may have sent in all on this stream: of INPUT, or of DATA."""

    limit: U32


class Error(Body, frozen=True):
    """A refusal, on a stream or (stream 0) of the connection. `owed` is what was delivered and not yet paid."""

    code: U16
    retryable: bool
    retry_after_ms: U32
    owed: Amount
    text: Annotated[str, Meta(max_length=200)]


class Ping(Body, frozen=True):
    nonce: Annotated[bytes, Meta(min_length=8, max_length=8)]


class Bye(Body, frozen=True):
    """An orderly end of the connection: a code (0 = nothing wrong) and the last seq of each stream."""

    code: U16
    last: Annotated[tuple[Ack, ...], Meta(max_length=8)] = ()


class PayFirst(Body, frozen=True):
    """A voucher must reach this total before work starts."""

    amount: Amount


class Close(Body, frozen=True):
    """The client is done: a final voucher, which may be lower than an earlier one if that was an advance. No
    signature where nothing is owed.
    """

    amount: Amount
    signature: Annotated[bytes, Meta(max_length=128)]


class CloseOk(Body, frozen=True):
    """The hash of the provider's closing transaction."""

    transaction: Bytes32


class ServerInfo(Body, frozen=True):
    """The payload of handshake message 2: the provider's clock (Unix seconds), limits, and price epoch."""

    time: U63
    streams: U16
    max_input: U32
    price_epoch: U63


BODIES: dict[Type, type[Body]] = {
    Type.AUTH: Auth,
    Type.AUTH_OK: AuthOk,
    Type.OPEN: Open,
    Type.ACCEPT: Accept,
    Type.INPUT: Input,
    Type.DATA: Data,
    Type.VOUCHER: Voucher,
    Type.VOUCHER_OK: VoucherOk,
    Type.CANCEL: Cancel,
    Type.END: End,
    Type.RESUME: ResumeAt,
    Type.WINDOW: Window,
    Type.ERROR: Error,
    Type.PING: Ping,
    Type.PONG: Ping,
    Type.BYE: Bye,
    Type.PAY_FIRST: PayFirst,
    Type.CLOSE: Close,
    Type.CLOSE_OK: CloseOk,
}
TYPES: dict[type[Body], Type] = {body: kind for kind, body in BODIES.items() if kind is not Type.PONG}

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {}


def encode(body: msgspec.Struct) -> bytes:
    """MessagePack bytes of a typed structure."""
    return _encoder.encode(body)


def decode(kind: type[T], data: bytes) -> T:
    """A checked structure. Raises PeerError BAD_MESSAGE with msgspec's own reason."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        return cast(T, decoder.decode(data))
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise PeerError(Code.BAD_MESSAGE, reason=str(error)[:120]) from None


def encode_short(body: msgspec.Struct, first: int = 0) -> bytes:
    """The structure without those fields at its end that have their defaults; its `first` fields are there always. So
    what was widened is written as before where it says nothing new.
    """
    values: list[Any] = [getattr(body, name) for name in body.__struct_fields__]
    defaults = body.__struct_defaults__
    least = len(values) - len(defaults)
    while len(values) > max(least, first) and values[-1] == defaults[len(values) - least - 1]:
        values.pop()
    return _encoder.encode(values)


def encode_body(body: Body) -> bytes:
    """Raises ValueError where the body does not fit a record."""
    data = _encoder.encode(body)
    if len(data) > MAX_BODY:
        raise ValueError(f"a body of {len(data)} bytes does not fit a record")
    return data
