"""A fuzzer's bytes as what a peer with the right keys does: one step after the other, until they are used up.

    0  a record, well sealed    type u8, stream u8, length u16, body (cut short where the bytes end)
    1  a frame as it is         length u16, the frame
    2  time passes              tenths of a second, u8
    3  the driver's own move    which, u8

The kind of a step is its first byte modulo 4. Big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from tallystick_shared.records import Record

_HEAD = struct.Struct(">BBH")
NOTHING = Record(0, 0, b"")


class Kind(IntEnum):
    RECORD = 0
    FRAME = 1
    TIME = 2
    MOVE = 3


@dataclass(frozen=True)
class Step:
    """`record` belongs to RECORD, `frame` to FRAME, `value` to TIME and MOVE."""

    kind: Kind
    record: Record = NOTHING
    frame: bytes = b""
    value: int = 0


def encode(steps: list[Step]) -> bytes:
    """The bytes that `steps` reads. Streams beyond 255 do not fit."""
    out = b""
    for step in steps:
        out += bytes([step.kind])
        if step.kind is Kind.RECORD:
            record = step.record
            out += _HEAD.pack(record.type, record.stream, len(record.body)) + record.body
        elif step.kind is Kind.FRAME:
            out += len(step.frame).to_bytes(2, "big") + step.frame
        else:
            out += bytes([step.value])
    return out


def steps(data: bytes) -> Iterator[Step]:
    """Any bytes, read as steps; what is missing at the end reads as zeros or as a shorter body."""
    at = 0
    while at < len(data):
        kind, at = Kind(data[at] % 4), at + 1
        if kind is Kind.RECORD:
            type_, stream, length = _HEAD.unpack(data[at : at + _HEAD.size].ljust(_HEAD.size, b"\0"))
            at += _HEAD.size
            yield Step(kind, Record(type_, stream, data[at : at + length]))
            at += length
        elif kind is Kind.FRAME:
            length, at = int.from_bytes(data[at : at + 2], "big"), at + 2
            yield Step(kind, frame=data[at : at + length])
            at += length
        else:
            yield Step(kind, value=data[at] if at < len(data) else 0)
            at += 1
