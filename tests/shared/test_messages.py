"""The bodies of records: what they hold, and how little else they let in."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import (
    BODIES,
    MAX_AMOUNT,
    MAX_ATTACHMENTS,
    MAX_INPUT,
    MAX_PARAMS,
    TYPES,
    Accept,
    Auth,
    AuthOk,
    Bye,
    Cancel,
    Close,
    CloseOk,
    ConfigBody,
    Data,
    End,
    Error,
    Input,
    Open,
    PayFirst,
    Ping,
    ResumeAt,
    ServerInfo,
    Voucher,
    VoucherOk,
    Window,
    amount_bytes,
    amount_int,
    decode,
    encode,
    encode_body,
)
from tallystick_shared.records import MAX_BODY, Type
from tests.shared.tools import refused

A16, A20, A32, SIG = b"\x01" * 16, b"\x02" * 20, b"\x03" * 32, b"\x04" * 65
CONFIG = ConfigBody(A20, A20, A32, A20, 86400, A32)
SAMPLES = [
    CONFIG,
    Auth(A20, CONFIG, A32, (A32,) * 8, SIG, 2**63 - 1),
    AuthOk(A16, b"", A16, A16, 0),
    AuthOk(A16, SIG, A16, A16, 7, (A32,) * 8),
    Open(A16, "chat", "model", b"p" * MAX_PARAMS, MAX_INPUT, 2**32 - 1, A16, A16),
    Accept(0, 2**16 - 1, 0, True),
    Input(2**32 - 1, b"data", False),
    Data(1, 2, 255, b"data"),
    Voucher(A16, SIG, ((1, 2),) * 8),
    VoucherOk(A16),
    Cancel(65535),
    End(1, 2, A16, "stop", A32, A16, SIG),
    ResumeAt(A16, 2**32 - 1, A16),
    Window(2**32 - 1),
    Error(100, True, 0, A16, "words ‖"),
    Ping(b"12345678"),
    Bye(0, ((1, 2),)),
    PayFirst(A16),
    Close(A16, b""),
    CloseOk(A32),
    ServerInfo(1, 8, 1, 0),
]
samples = pytest.mark.parametrize("body", SAMPLES, ids=lambda body: type(body).__name__)


def fields(body: msgspec.Struct) -> list:
    return msgspec.msgpack.decode(encode(body))


def bad(kind: type, values: object) -> None:
    with refused(Code.BAD_MESSAGE, PeerError):
        decode(kind, msgspec.msgpack.encode(values))


def test_every_type_with_a_body_has_a_sample():
    assert set(BODIES.values()) <= {type(body) for body in SAMPLES}
    assert set(BODIES) == set(Type) - {Type.PAD, Type.REKEY}


def test_types_invert_bodies():
    assert all(BODIES[kind] is body for body, kind in TYPES.items())
    assert set(TYPES) == set(BODIES.values())


@samples
def test_round_trip(body):
    assert decode(type(body), encode_body(body)) == body


@samples
def test_every_truncation_is_refused(body):
    data = encode(body)
    for size in range(len(data)) if len(data) < 600 else (0, 1, 2, len(data) - 1):
        with refused(Code.BAD_MESSAGE, PeerError):
            decode(type(body), data[:size])


@samples
def test_trailing_bytes_are_refused(body):
    with refused(Code.BAD_MESSAGE, PeerError):
        decode(type(body), encode(body) + b"\0")


@samples
def test_a_further_field_is_refused(body):
    bad(type(body), [*fields(body), 0])


@samples
def test_a_map_in_place_of_the_array_is_refused(body):
    bad(type(body), dict(enumerate(fields(body))))


@samples
def test_every_field_of_a_wrong_type_is_refused(body):
    values = fields(body)
    for at in range(len(values)):
        for other in (None, 1, 1.5, "text", b"", [], {}, [[]], True):
            if type(other) is type(values[at]):
                continue  # right type: lengths are tested by themselves
            bad(type(body), [*values[:at], other, *values[at + 1 :]])


@pytest.mark.parametrize(
    ("body", "at", "edge"),
    [
        (CONFIG, 0, 20), (CONFIG, 2, 32), (VoucherOk(A16), 0, 16), (CloseOk(A32), 0, 32), (Ping(b"12345678"), 0, 8),
        (SAMPLES[4], 0, 16), (SAMPLES[11], 4, 32),
    ],
)  # fmt: skip
def test_fixed_lengths_are_exact(body, at, edge):
    for size in (0, edge - 1, edge + 1, 1000):
        bad(type(body), [*fields(body)[:at], b"x" * size, *fields(body)[at + 1 :]])


@pytest.mark.parametrize(
    ("body", "at", "value"),
    [
        (SAMPLES[1], 3, [A32] * 9), (SAMPLES[1], 4, b"s" * 64), (SAMPLES[1], 4, b"s" * 129), (SAMPLES[1], 5, 2**63),
        (SAMPLES[3], 1, b"s" * 129), (SAMPLES[3], 5, [A32] * 9), (SAMPLES[4], 1, "n" * 201),
        (SAMPLES[4], 3, b"p" * (MAX_PARAMS + 1)), (SAMPLES[4], 4, MAX_ATTACHMENTS + 1), (SAMPLES[4], 5, 2**32),
        (SAMPLES[5], 1, 2**16), (SAMPLES[7], 2, 256), (SAMPLES[8], 2, [[1, 2]] * 9), (SAMPLES[8], 2, [[1]]),
        (SAMPLES[8], 2, [[1, 2, 3]]), (SAMPLES[8], 2, [[1, 2**32]]), (SAMPLES[10], 0, 2**16),
        (SAMPLES[11], 3, "f" * 17),
        (SAMPLES[12], 4, "t" * 201), (SAMPLES[7], 0, -1), (SAMPLES[10], 0, -1), (SAMPLES[0], 4, 2**64 - 1),
    ],
)  # fmt: skip
def test_limits(body, at, value):
    bad(type(body), [*fields(body)[:at], value, *fields(body)[at + 1 :]])


@pytest.mark.parametrize(
    "data",
    [
        b"\x91\xcf" + b"\xff" * 8,  # the largest integer of the format
        b"\x91\xd3" + b"\x80" + bytes(7),  # the smallest
        b"\x91\xc7\xff\x05" + b"i" * 255,  # an extension: what a bignum would be
        b"\x91\xca\x3f\x80\x00\x00",  # 1.0
        b"\xdd\xff\xff\xff\xff",  # an array of four thousand million
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 16_000,  # depth
        b"\xc1",
        b"",
    ],
)
def test_hostile_encodings(data):
    for kind in (Cancel, Bye, Input, Auth):
        with refused(Code.BAD_MESSAGE, PeerError):
            decode(kind, data)


def test_hostile_lengths_inside():
    for inner in (b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x91" * 16_000, b"\xdb\xff\xff\xff\xff"):
        for kind, head in ((Bye, b"\x92\x00"), (Input, b"\x93\x00"), (VoucherOk, b"\x91")):
            with refused(Code.BAD_MESSAGE, PeerError):
                decode(kind, head + inner)


def test_text_that_is_not_utf8():
    with refused(Code.BAD_MESSAGE, PeerError):
        decode(Error, encode(SAMPLES[12]).replace("‖".encode(), b"\xff\xfe\xfd"))


def test_amounts_hold_what_64_bits_cannot():
    for amount in (0, 1, 2**64, 18_400_000_000_000_000_000, MAX_AMOUNT):
        assert amount_int(amount_bytes(amount)) == amount
        assert len(amount_bytes(amount)) == 16
    for amount in (-1, MAX_AMOUNT + 1):
        with pytest.raises(OverflowError):
            amount_bytes(amount)


def test_a_body_must_fit_a_record():
    room = MAX_BODY - len(encode(Input(0, bytes(300), True))) + 300 - 2
    encode_body(Input(0, bytes(room), True))
    with pytest.raises(ValueError):
        encode_body(Input(0, bytes(MAX_BODY), True))
