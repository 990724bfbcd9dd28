"""HELLO and the record layer: how bytes lie inside a WebSocket message.

A record's plaintext is type (1), stream (4), body length (2), the body and zeros up to one of four sizes, so that
a record's length says
nothing about its content. Big-endian throughout.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from . import limits
from .errors import Code, PeerError

MAGIC = b"TLLY"
VERSION = 1
HELLO_SIZE = 56
PLAIN_SUITE = 1  # for tests
SUITE = 2  # what everybody speaks: the same with an ML-KEM exchange beside it
SIZES = (256, 512, 4096, 16384)
HEADER = struct.Struct(">BIH")
MAX_BODY = SIZES[-1] - HEADER.size
MAX_MESSAGE = limits.MESSAGE.value

# Flags of HELLO
LOW_LATENCY = 0x0001  # the user prefers speed over the steadiest shape
ALONE = 0x0002  # the only connection of its channel: what the provider still holds of an earlier one is dead
RICH = 0x0004  # text in larger records: log-probabilities, or many streams at once


class Frame(IntEnum):
    """The first byte of every WebSocket message."""

    HELLO = 0
    HANDSHAKE = 1
    RECORD = 2
    REFUSED = 3


class Type(IntEnum):
    """Record types, section 4 of the protocol."""

    PAD = 0
    AUTH = 1
    AUTH_OK = 2
    OPEN = 3
    ACCEPT = 4
    INPUT = 5
    DATA = 6
    VOUCHER = 7
    VOUCHER_OK = 8
    CANCEL = 9
    END = 10
    RESUME = 11
    WINDOW = 12
    ERROR = 13
    PING = 14
    PONG = 15
    REKEY = 16
    BYE = 17
    PAY_FIRST = 18
    CLOSE = 19
    CLOSE_OK = 20


@dataclass(frozen=True)
class Hello:
    """The clear greeting; byte for byte the prologue of the handshake, so nobody on the way can change it."""

    chain_id: int
    registry: bytes
    provider: bytes
    suite: int = SUITE
    flags: int = 0
    version: int = VERSION

    def encode(self) -> bytes:
        """56 bytes: magic 4, version 1, suite 1, flags 2, chain id 8, registry 20, provider 20."""
        head = struct.pack(">4sBBHQ", MAGIC, self.version, self.suite, self.flags, self.chain_id)
        return head + self.registry + self.provider

    @classmethod
    def decode(cls, data: bytes) -> Hello:
        """Raises PeerError BAD_HELLO or BAD_VERSION."""
        if len(data) != HELLO_SIZE:
            raise PeerError(Code.BAD_HELLO, size=len(data))
        magic, version, suite, flags, chain_id = struct.unpack(">4sBBHQ", data[:16])
        if magic != MAGIC:
            raise PeerError(Code.BAD_HELLO)
        if version != VERSION:
            raise PeerError(Code.BAD_VERSION, version=version)
        return cls(chain_id, data[16:36], data[36:56], suite, flags, version)


@dataclass(frozen=True)
class Record:
    """One decrypted record. `type` stays an int: types of a later version may be skipped."""

    type: int
    stream: int
    body: bytes


def size_for(body: int) -> int:
    """The smallest record size that holds a body of that many bytes. Raises ValueError above 16,377."""
    for size in SIZES:
        if body + HEADER.size <= size:
            return size
    raise ValueError(f"a record cannot hold {body} bytes")


def encode_record(record: Record, size: int = 0) -> bytes:
    """The padded plaintext of a record, at least `size` bytes if given (one of SIZES)."""
    total = max(size_for(len(record.body)), size)
    return (HEADER.pack(record.type, record.stream, len(record.body)) + record.body).ljust(total, b"\0")


def decode_record(plaintext: bytes) -> Record:
    """Raises PeerError BAD_MESSAGE where size, length or padding are not as they must be."""
    if len(plaintext) not in SIZES:
        raise PeerError(Code.BAD_MESSAGE, size=len(plaintext))
    kind, stream, length = HEADER.unpack_from(plaintext)
    end = HEADER.size + length
    if end > len(plaintext) or any(plaintext[end:]):
        raise PeerError(Code.BAD_MESSAGE, length=length)
    return Record(kind, stream, plaintext[HEADER.size : end])
