"""HELLO and the record layer."""

from __future__ import annotations

import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.records import (
    HEADER,
    HELLO_SIZE,
    MAX_BODY,
    MAX_MESSAGE,
    SIZES,
    Hello,
    Record,
    decode_record,
    encode_record,
    size_for,
)
from tests.shared.tools import refused

HELLO = Hello(31337, b"\x11" * 20, b"\x22" * 20, suite=1, flags=1)


def test_hello_layout():
    expected = b"TLLY" + b"\x01\x01\x00\x01" + (31337).to_bytes(8, "big") + b"\x11" * 20 + b"\x22" * 20
    assert HELLO.encode() == expected
    assert len(expected) == HELLO_SIZE == 56
    assert Hello.decode(expected) == HELLO


@pytest.mark.parametrize("size", [0, 1, 16, 55, 57])
def test_hello_of_another_size(size):
    with refused(Code.BAD_HELLO):
        Hello.decode(HELLO.encode().ljust(57, b"\0")[:size])


def test_hello_of_another_protocol():
    with refused(Code.BAD_HELLO):
        Hello.decode(b"HTTP" + HELLO.encode()[4:])


@pytest.mark.parametrize("version", [0, 2, 255])
def test_hello_of_another_version(version):
    with refused(Code.BAD_VERSION):
        Hello.decode(Hello(1, bytes(20), bytes(20), version=version).encode())


def test_hello_keeps_what_it_does_not_judge():
    """Suite and flags are the session's matter; the bytes stay what they were, because they are the prologue."""
    hello = Hello(2**64 - 1, b"\xff" * 20, bytes(20), suite=255, flags=0xFFFF)
    assert Hello.decode(hello.encode()) == hello


@pytest.mark.parametrize("size", [0, 1, 249, 250, 505, 506, 4089, 4090, MAX_BODY])
def test_record_round_trip_at_the_edges_of_sizes(size):
    record = Record(6, 0xFFFFFFFF, b"\xab" * size)
    plaintext = encode_record(record)
    assert len(plaintext) in SIZES and len(plaintext) == size_for(size)
    assert decode_record(plaintext) == record


def test_sizes_are_the_smallest_that_hold():
    assert [size_for(body) for body in (0, 249, 250, 505, 506, 4089, 4090)] == [256, 256, 512, 512, 4096, 4096, 16384]
    assert SIZES[-1] - HEADER.size == MAX_BODY
    assert SIZES[-1] + 16 + 1 <= MAX_MESSAGE


def test_record_that_is_too_large():
    with pytest.raises(ValueError):
        encode_record(Record(6, 1, bytes(MAX_BODY + 1)))


def test_a_size_can_be_asked_for_but_never_cuts():
    assert len(encode_record(Record(0, 0, b""), 4096)) == 4096
    assert len(encode_record(Record(0, 0, bytes(1000)), 256)) == 4096


@pytest.mark.parametrize("size", [0, 6, 7, 255, 257, 16383, 16385])
def test_plaintext_of_another_size(size):
    with refused(Code.BAD_MESSAGE, PeerError):
        decode_record(bytes(size))


def test_length_beyond_the_record():
    for size in SIZES:
        for length in {size - HEADER.size + 1, 0xFFFF}:
            with refused(Code.BAD_MESSAGE, PeerError):
                decode_record(HEADER.pack(6, 1, length).ljust(size, b"\0"))


@pytest.mark.parametrize("at", [HEADER.size + 5, 100, 255])
def test_padding_must_be_zero(at):
    plaintext = bytearray(encode_record(Record(6, 1, b"hello")))
    plaintext[at] = 1
    with refused(Code.BAD_MESSAGE, PeerError):
        decode_record(bytes(plaintext))


def test_unknown_types_survive_the_record_layer():
    assert decode_record(encode_record(Record(200, 3, b"later"))).type == 200
