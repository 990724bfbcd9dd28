"""Codecs: what goes in comes out, and nothing else gets in but as a refusal."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tallystick_shared.chat import chat_input, read_input
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import BODIES, ServerInfo, amount_bytes, amount_int, decode, encode
from tallystick_shared.profile import Profile
from tallystick_shared.records import MAX_BODY, SIZES, Hello, Record, decode_record, encode_record
from tests.shared.test_messages import SAMPLES

KINDS = sorted({*BODIES.values(), ServerInfo}, key=lambda kind: kind.__name__)
address = st.binary(min_size=20, max_size=20)
# anything that MessagePack can say
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    | st.text(max_size=20) | st.binary(max_size=70),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)  # fmt: skip


@given(
    chain=st.integers(0, 2**64 - 1),
    registry=address,
    provider=address,
    suite=st.integers(0, 255),
    flags=st.integers(0, 65535),
)
def test_hello(chain, registry, provider, suite, flags):
    hello = Hello(chain, registry, provider, suite, flags)
    assert Hello.decode(hello.encode()) == hello


@given(data=st.binary(max_size=80))
def test_any_bytes_as_hello(data):
    try:
        assert Hello.decode(data).encode() == data
    except PeerError as error:
        assert error.code in (Code.BAD_HELLO, Code.BAD_VERSION)


@given(
    kind=st.integers(0, 255),
    stream=st.integers(0, 2**32 - 1),
    body=st.binary(max_size=600) | st.just(bytes(MAX_BODY)),
    size=st.sampled_from((0, *SIZES)),
)
def test_record(kind, stream, body, size):
    plaintext = encode_record(Record(kind, stream, body), size)
    assert len(plaintext) in SIZES and len(plaintext) >= size
    assert decode_record(plaintext) == Record(kind, stream, body)


@given(st.binary(max_size=600) | st.binary(min_size=256, max_size=256))
def test_any_bytes_as_record(data):
    try:
        record = decode_record(data)
    except PeerError as error:
        assert error.code is Code.BAD_MESSAGE
    else:
        assert encode_record(record, len(data)) == data


@given(
    kind=st.sampled_from(KINDS),
    data=st.binary(max_size=300)
    | st.lists(junk, max_size=8).map(msgspec.msgpack.encode)
    | junk.map(msgspec.msgpack.encode),
)
def test_any_bytes_as_body(kind, data):
    refused_or_stable(kind, data)


def refused_or_stable(kind, data):
    """Refused in order, or read into something that says the same again."""
    try:
        body = decode(kind, data)
    except PeerError as error:
        assert error.code is Code.BAD_MESSAGE
    else:
        assert decode(kind, encode(body)) == body


@given(sample=st.sampled_from(SAMPLES), data=st.data())
def test_a_mutated_body(sample, data):
    """Near misses: a good body with one field replaced, or some bytes changed."""
    values = msgspec.msgpack.decode(encode(sample))
    values[data.draw(st.integers(0, len(values) - 1))] = data.draw(junk)
    refused_or_stable(type(sample), msgspec.msgpack.encode(values))
    raw = bytearray(encode(sample)[:400])
    for _ in range(3):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    refused_or_stable(type(sample), bytes(raw))


@given(st.binary(max_size=2048) | junk.map(msgspec.msgpack.encode))
def test_any_bytes_as_profile(data):
    refused_or_stable(Profile, data)


@given(st.integers(0, 2**128 - 1))
def test_amounts(amount):
    assert amount_int(amount_bytes(amount)) == amount


turns = st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(st.characters(codec="utf-8"), max_size=100))


@given(st.lists(turns, min_size=1, max_size=20))
def test_conversations(conversation):
    read = read_input(chat_input(conversation))
    assert [(message.role, message.content) for message in read.messages] == conversation
