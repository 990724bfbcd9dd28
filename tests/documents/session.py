"""A real session, with fixed keys and a clock that is handed in: the same bytes each time it is run.

ML-KEM draws its own randomness when it encapsulates, so the ciphertext is one that was drawn once (`kem.hex`); what is
in it is really decapsulated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.messages import BODIES, decode, encode
from tallystick_shared.records import HEADER, HELLO_SIZE, Frame, Record, Type
from tallystick_shared.session import events as ev
from tests.fuzz.seeds import Heard, Recorder, Tap
from tests.shared.pair import CHAIN, CHANNELS, NODE_KEY, OPERATOR_KEY, OWNER_KEY, PAYEE, REGISTRY, WALL, Pair

CIPHERTEXT = Path(__file__).with_name("kem.hex")
SHOWN = 32
TEXT = b"What is a tally stick?"
ANSWER = (b"A notched", b" stick,", b" split", b" in two", b".")
HEAD = """
## A session, byte by byte

Made by two real sessions with fixed keys over a clock that is handed in; all of it, with keys and whole frames, is in
[session.json](session.json) for whoever writes another implementation. A client that knows the provider's key from the
chain connects, proves its channel, asks `{text}`, is answered in {pieces} pieces, pays, and closes the channel. Fillers
(PAD) between the records are counted, not shown. Of a frame the first {shown} bytes stand here; after them comes what
was sealed inside, field by field as it is encoded.
"""


class Fixed(Tap):
    """A seat that repeats itself, the KEM's ciphertext too."""

    def __init__(self) -> None:
        super().__init__(b"the documents")
        self.kem_private = b""
        self.draw = False

    def kem_keypair(self) -> tuple[bytes, bytes]:
        self.kem_private, public = super().kem_keypair()
        return self.kem_private, public

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        if self.draw:
            CIPHERTEXT.write_text(NativeCrypto().kem_encapsulate(public)[0].hex() + "\n", encoding="ascii")
        ciphertext = bytes.fromhex(CIPHERTEXT.read_text(encoding="ascii"))
        return ciphertext, self._crypto.kem_decapsulate(self.kem_private, ciphertext)


@cache
def recorded(draw: bool = False) -> tuple[Recorder, Pair]:
    """The session, and the pair that held it. `draw` makes the KEM's ciphertext anew."""
    seat = Fixed()
    seat.draw = draw
    recorder = Recorder(seat)
    pair = recorder.pair().connect()
    stream = pair.ask(TEXT, 100)
    pair.pass_time(0.3)
    for piece in ANSWER:
        pair.provider.data(stream, piece, 1)
    pair.provider.finish(stream, "stop")
    while pair.client.live or pair.provider.next_deadline() is not None or pair.client.next_deadline() is not None:
        pair.pass_time(0.1)
    pair.client.close()
    pair.settle()
    pair.provider.close_ok(bytes(range(32)))
    pair.settle()
    assert pair.seen(ev.Finished) and pair.client.closed and pair.provider.closed
    return recorder, pair


def as_json() -> str:
    """Keys and frames, for another implementation's tests."""
    recorder, pair = recorded()
    held = {
        "about": "A whole session between two implementations; made by ./run docs, told in wire.md. Bytes are hex.",
        "chain_id": CHAIN,
        "registry": REGISTRY.hex(),
        "channels": CHANNELS.hex(),
        "unix_time": WALL,
        "node_key": NODE_KEY.hex(),
        "owner_key": OWNER_KEY.hex(),
        "operator_key": OPERATOR_KEY.hex(),
        "session_key": pair.session_key.hex(),
        "payee": PAYEE.hex(),
        "handshake_hash": pair.client.handshake_hash.hex(),
        "frames": [
            {
                "at": round(each.at, 3),
                "from": each.sender,
                "frame": each.frame.hex(),
                **(
                    {"plaintext": each.plaintext.rstrip(b"\0").hex(), "size": len(each.plaintext)}
                    if each.plaintext
                    else {}
                ),
            }
            for each in recorder.heard
        ],
    }
    return json.dumps(held, indent=1) + "\n"


def told() -> str:
    """The session for people."""
    recorder, _ = recorded()
    parts = [HEAD.format(text=TEXT.decode(), pieces=len(ANSWER), shown=SHOWN)]
    number, pads = 0, 0
    for heard in recorder.heard:
        if heard.plaintext and heard.record.type == Type.PAD:
            pads += 1
            continue
        if pads:
            parts.append(f"\n*{pads} × PAD*\n")
        number, pads = number + 1, 0
        parts += _frame(number, heard)
    return "".join(parts)


def _hex(data: bytes, shown: int = SHOWN) -> str:
    return data[:shown].hex(" ") + (" …" if len(data) > shown else "")


def _frame(number: int, heard: Heard) -> Iterator[str]:
    frame = heard.frame
    title = Type(heard.record.type).name if heard.plaintext else Frame(frame[0]).name
    yield f"\n### {number}. {title}, from the {heard.sender}\n\n"
    yield f"At {heard.at:.2f} s, {len(frame):,} bytes:\n\n```\n{_hex(frame)}\n```\n"
    if heard.plaintext:
        yield from _record(heard.record, len(heard.plaintext))
    elif frame[0] == Frame.HELLO:
        yield from _lines(_hello(frame))


def _lines(rows: list[tuple[str, bytes, str]]) -> Iterator[str]:
    """(field, its bytes, what they mean), one under the other."""
    wide = max(len(name) for name, _, _ in rows)
    yield "\n```\n"
    for name, data, meaning in rows:
        yield f"{name:<{wide}}  {_hex(data, 24)}{'  ' + meaning if meaning else ''}\n"
    yield "```\n"


def _hello(frame: bytes) -> list[tuple[str, bytes, str]]:
    cuts = (("frame", 1), ("magic", 4), ("version", 1), ("suite", 1), ("flags", 2), ("chain id", 8))
    cuts += (("registry", 20), ("provider", 20), ("noise e", 32))
    rows, at = [], 0
    for name, size in cuts:
        data, at = frame[at : at + size], at + size
        meaning = {"magic": data.decode("latin-1"), "chain id": str(int.from_bytes(data, "big"))}.get(name, "")
        rows.append((name, data, meaning))
    assert at == 1 + HELLO_SIZE + 32
    return [*rows, ("sealed", frame[at:], f"{len(frame) - at:,} bytes: the KEM's key, room for a ticket, the tag")]


def _record(record: Record, size: int) -> Iterator[str]:
    kind = Type(record.type)
    header = HEADER.pack(record.type, record.stream, len(record.body))
    rows = [
        ("type", header[:1], f"{kind.value} {kind.name}"),
        ("stream", header[1:5], str(record.stream)),
        ("length", header[5:], f"{len(record.body):,}"),
    ]
    body = BODIES.get(kind)
    if body is not None:
        rows += pieces(decode(body, record.body))
    zeros = size - HEADER.size - len(record.body)
    yield from _lines([*rows, ("padding", b"", f"{zeros:,} zeros, {size:,} bytes in all")])


def pieces(body: Any, prefix: str = "") -> list[tuple[str, bytes, str]]:
    """A body taken apart: the head of its array, then each field as it is encoded; together they are the body."""
    whole = encode(body)
    names = body.__struct_fields__
    parts = [encode(getattr(body, name)) for name in names]
    rows = [(f"{prefix}array", whole[: len(whole) - sum(map(len, parts))], f"{len(names)} fields")]
    for name, part in zip(names, parts, strict=True):
        value = getattr(body, name)
        if isinstance(value, msgspec.Struct):
            rows += pieces(value, f"{name}.")
        else:
            rows.append((prefix + name, part, meaning(value)))
    return rows


def meaning(value: Any) -> str:
    """What a value says, where its bytes do not."""
    if isinstance(value, bytes):
        amount = len(value) == 16 and not any(value[:6])
        if amount:
            return f"{int.from_bytes(value, 'big'):,}"
        text = value and len(value) not in (16, 20, 32) and all(32 <= byte < 127 for byte in value)
        return json.dumps(value.decode()) if text else f"{len(value)} bytes"
    return json.dumps(value)
