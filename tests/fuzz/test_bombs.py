"""Small bytes that claim to be large: reading them costs no more memory than they have bytes, and a refusal at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from tallystick_shared.chat import ChatInput, ChatParams, read_input
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import MAX_INPUT, MAX_PARAMS, Auth, Input, Open, Voucher, decode, encode
from tallystick_shared.records import MAX_BODY, MAX_MESSAGE, Record, Type
from tallystick_shared.session.peer import KEPT_STREAMS
from tallystick_shared.session.provider import MAX_STREAMS
from tallystick_shared.snapshot import read_snapshot
from tests.fuzz.hearing import fresh, keyed, sealed
from tests.fuzz.targets import KINDS
from tests.shared.test_messages import SAMPLES
from tests.shared.tools import refused

DEEP = 16_000
BOMBS = {
    "array of 2^32": b"\xdd\xff\xff\xff\xff",
    "array of 65,535": b"\xdc\xff\xff",
    "map of 2^32": b"\xdf\xff\xff\xff\xff",
    "bytes of 4 GiB": b"\xc6\xff\xff\xff\xff",
    "text of 4 GiB": b"\xdb\xff\xff\xff\xff",
    "extension of 4 GiB": b"\xc9\xff\xff\xff\xff\x00",
    "16,000 arrays in each other": b"\x91" * DEEP + b"\xc0",
    "16,000 maps in each other": b"\x81\x00" * (DEEP // 2) + b"\xc0",
    "never used": b"\xc1",
    "timestamp": b"\xd7\xff" + bytes(8),
}
ROOM = 256 * 1024


@contextmanager
def within(room: int) -> Iterator[None]:
    """The block may hold so many bytes more at any time, beyond what it had at its beginning."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before <= room, f"{peak - before:,} bytes"


def refuses(kind: type, data: bytes) -> None:
    """Refused, with no more memory than the bytes themselves."""
    with within(len(data) + 64 * 1024):
        try:
            decode(kind, data)
        except PeerError as error:
            assert error.code is Code.BAD_MESSAGE
        else:
            raise AssertionError(f"{kind.__name__} takes {data[:20].hex()}")


def places(sample: object) -> Iterator[Callable[[bytes], bytes]]:
    """The encoding of a sample with a bomb in place of the whole, and of each of its fields."""
    yield lambda bomb: bomb
    values = msgspec.msgpack.decode(encode(sample))  # type: ignore[arg-type]
    parts = [msgspec.msgpack.encode(value) for value in values]
    head = bytes([0x90 + len(parts)]) if len(parts) < 16 else b"\xdc" + len(parts).to_bytes(2, "big")
    for at in range(len(parts)):
        yield lambda bomb, at=at: head + b"".join([*parts[:at], bomb, *parts[at + 1 :]])


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_field_of_a_body_takes_a_bomb(bomb: str) -> None:
    for sample in SAMPLES:
        for place in places(sample):
            refuses(type(sample), place(BOMBS[bomb]))


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_structure_is_a_bomb(bomb: str) -> None:
    """The same for the outermost level of everything that is read from strangers."""
    for kind in (*KINDS, ChatInput, ChatParams):
        for head in (b"", *(bytes([0x90 + fields]) for fields in range(1, 15))):
            refuses(kind, head + BOMBS[bomb])


def test_answers_of_a_guest_and_conversations() -> None:
    """The two that may be long: a megabyte of them costs some megabytes to read at the most."""
    many = b"\x91\xdd\x00\x0f\x00\x00" + b"\x92\xa4user\xa0" * (MAX_INPUT // 7)
    with within(4 * MAX_INPUT), refused(Code.BAD_MESSAGE, PeerError):
        read_input(many)
    entries = b"\x98\x01\x01\xc4\x14" + bytes(20) + b"\x00\xc4\x20" + bytes(32) + b"\x00\x00\xdd\x00\x0f\x00\x00"
    with within(4 * MAX_INPUT), refused(Code.BAD_MESSAGE, PeerError):
        read_snapshot(entries + b"\x93\xc4\x14" * (MAX_INPUT // 3), 1, bytes(20), 2 * MAX_INPUT)


def test_frames_above_the_limit_are_not_looked_at() -> None:
    pair = keyed(fresh())
    frame = b"\x02" + bytes(MAX_MESSAGE)
    with within(ROOM):
        pair.provider.receive(frame, 0.0)
    assert pair.provider.closed


def ready() -> tuple[object, Callable[[int, Type, object], None]]:
    """A provider whose client proved its channel, and a way for that client to say anything."""
    pair = fresh().connect()

    def says(stream: int, kind: Type, body: object) -> None:
        pair.provider.receive(sealed(pair.client, Record(kind, stream, encode(body))), pair.now)  # type: ignore[arg-type]
        pair.provider.outgoing()

    return pair.provider, says


def test_inputs_of_all_streams() -> None:
    """Eight inputs of a megabyte that never end: no more is kept, and no more streams are taken."""
    provider, says = ready()
    piece = bytes(MAX_BODY - 20)
    with within(2 * MAX_STREAMS * MAX_INPUT + 2 * MAX_INPUT):
        for number in range(1, 2 * MAX_STREAMS):
            says(number, Type.OPEN, Open(bytes([number]) * 16, "chat", "toy", b"", MAX_INPUT, 1, bytes(16), bytes(16)))
            for offset in range(0, MAX_INPUT - len(piece), len(piece)):
                if not provider.closed:  # type: ignore[attr-defined]
                    says(number, Type.INPUT, Input(offset, piece, False))
    kept = sum(len(held.input) for held in provider.streams.values())  # type: ignore[attr-defined]
    assert kept <= MAX_STREAMS * MAX_INPUT


def test_requests_that_fail_one_after_the_other() -> None:
    """Streams that ended are forgotten but for the newest: what they cost in memory does not add up."""
    provider, says = ready()
    with within(KEPT_STREAMS * 3 * MAX_PARAMS):
        for number in range(1, 10 * KEPT_STREAMS):
            opening = Open(number.to_bytes(16, "big"), "chat", "toy", bytes(8000), 0, 1, bytes(16), bytes(16))
            says(number, Type.OPEN, opening)
            if number in provider.streams:  # type: ignore[attr-defined]
                provider.fail(number, PeerError(Code.UNKNOWN_MODEL))  # type: ignore[attr-defined]
            provider.events()  # type: ignore[attr-defined]
            provider.tick(number / 10)  # type: ignore[attr-defined]
    assert not provider.closed  # type: ignore[attr-defined]


def test_what_comes_while_the_channel_is_looked_up() -> None:
    """A client that talks on for ever while nothing is read."""
    pair = keyed(fresh())
    pair.client.authenticate(pair.proof(), pair.cap, pair.resume, 1_800_000_000)
    for message in pair.client.outgoing():
        pair.provider.receive(message, 0.0)
    with within(ROOM):
        for _ in range(100):
            pair.provider.receive(b"\x02" + bytes(16_400), 0.0)
    assert pair.provider.closed


def test_vouchers_without_an_end() -> None:
    """Each voucher that says nothing new is answered; a flood of them ends the connection before it fills the queue."""
    provider, says = ready()
    says(1, Type.OPEN, Open(bytes(16), "chat", "toy", b"", 0, 1, bytes(16), bytes(16)))
    with within(ROOM):
        for _ in range(1000):
            says(0, Type.VOUCHER, Voucher(bytes(16), bytes(65)))
    assert provider.closed  # type: ignore[attr-defined]


def test_a_proof_longer_than_any_tree() -> None:
    sample = next(sample for sample in SAMPLES if isinstance(sample, Auth))
    long = msgspec.structs.replace(sample, proof=(bytes(32),) * 9)
    with refused(Code.BAD_MESSAGE, PeerError):
        decode(Auth, encode(long))
