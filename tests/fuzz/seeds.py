"""Bytes to start from: a real session, with every record in the clear, cut into what each target reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tallystick_shared.chat import ChatParams, chat_input
from tallystick_shared.messages import BODIES, Window, encode
from tallystick_shared.records import Frame, Record, Type, decode_record
from tallystick_shared.session import events as ev
from tallystick_shared.session.guest import GuestSession, Question, Signer
from tallystick_shared.session.windows import DATA_WINDOW, INPUT_WINDOW
from tallystick_shared.snapshot import SnapshotAsk
from tests.fuzz import script
from tests.fuzz.hearing import CRYPTO, MOST, keyed
from tests.fuzz.script import Kind, Step
from tests.fuzz.targets import KINDS
from tests.shared.pair import CHANNELS, Pair
from tests.shared.test_messages import SAMPLES
from tests.shared.tools import Seeded


class Tap(Seeded):
    """A seeded crypto seat that remembers what was opened: plaintext by ciphertext."""

    def __init__(self, seed: bytes) -> None:
        super().__init__(CRYPTO, seed)
        self.opened: dict[bytes, bytes] = {}

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        plaintext = CRYPTO.open(key, nonce, aad, ciphertext)
        self.opened[ciphertext] = plaintext
        return plaintext


@dataclass(frozen=True)
class Heard:
    """One frame: when and by whom it was sent, and its plaintext where it is a record that was read."""

    at: float
    sender: str
    frame: bytes
    plaintext: bytes = b""

    @property
    def record(self) -> Record:
        return decode_record(self.plaintext)


@dataclass
class Recorder:
    """Notes what crosses the wire of a pair."""

    tap: Tap = field(default_factory=lambda: Tap(b"fuzz"))
    frames: list[tuple[float, str, bytes]] = field(default_factory=list)

    def pair(self, **more: Any) -> Pair:
        pair = Pair(self.tap, **more)
        pair.tamper = lambda sender, frame: self.note(pair.now, sender, frame)
        return pair

    def note(self, now: float, sender: str, frame: bytes) -> bytes:
        self.frames.append((now, sender, frame))
        return frame

    @property
    def heard(self) -> list[Heard]:
        """All frames in their order."""
        opened = self.tap.opened
        return [
            Heard(now, sender, frame, opened.get(frame[1:], b"") if frame[0] == Frame.RECORD else b"")
            for now, sender, frame in self.frames
        ]

    def of(self, sender: str) -> list[Heard]:
        """One side's frames."""
        return [heard for heard in self.heard if heard.sender == sender]


@cache
def session() -> Recorder:
    """Two questions, an answer that needs vouchers, one that is stopped, windows that move, a ping, keys renewed
    after a quarter of an hour of silence, and the channel's end.
    """
    recorder = Recorder()
    pair = recorder.pair().connect()
    first, second = pair.ask(), pair.ask(b"y" * 500)
    pair.engine(first, 40)
    pair.engine(second, 10)
    pair.pass_time(2)
    pair.client._send(Record(Type.PING, 0, encode(BODIES[Type.PING](b"12345678"))))
    pair.client._post(Window(DATA_WINDOW + 10), first)
    pair.provider._post(Window(INPUT_WINDOW + 10), first)
    pair.client.cancel(second)
    pair.provider.finish(first, "stop")
    pair.pass_time(4)
    pair.pass_time(900, 10.0)
    pair.client.close()
    pair.settle()
    pair.provider.close_ok(b"\x09" * 32)
    pair.settle()
    assert pair.client.closed and pair.provider.closed
    assert len(pair.seen(ev.Finished)) == 2
    for side in ("client", "provider"):
        assert {Type.WINDOW, Type.REKEY} <= {heard.record.type for heard in recorder.of(side) if heard.plaintext}
    return recorder


@cache
def returned() -> Recorder:
    """A client comes back and asks for what its provider knows nothing of any more, then for something new."""
    older = Pair(Seeded(CRYPTO, b"older")).connect()
    older.engine(older.ask(), 5)
    older.pass_time(1)
    older.break_off()
    recorder = Recorder()
    pair = recorder.pair(older=older.client).connect()
    pair.pass_time(1)
    stream = pair.ask()
    pair.engine(stream, 10)
    pair.pass_time(2)
    pair.provider.finish(stream, "stop")
    pair.pass_time(5)
    pair.client.bye()
    pair.settle()
    assert Type.RESUME in {heard.record.type for heard in recorder.of("client") if heard.plaintext}
    return recorder


@cache
def visit() -> Recorder:
    """A guest's question and its answer."""
    recorder = Recorder()
    pair = recorder.pair()
    node = pair.crypto.x25519_public(pair.identity.node_key)
    guest = GuestSession(
        pair.crypto, pair.hello, node, Question("market.snapshot", b"", MOST), Signer(pair.operator, CHANNELS)
    )
    keyed(pair, guest)
    for message in guest.outgoing():
        recorder.note(0.0, "client", message)
        pair.provider.receive(message, 0.0)
    pair.provider.guest_data(b"snapshot")
    pair.provider.guest_end()
    for message in pair.provider.outgoing():
        recorder.note(0.0, "provider", message)
        guest.receive(message, 0.0)
    assert guest.answer == b"snapshot"
    return recorder


def scripted(heard: list[Heard]) -> bytes:
    """One side's records as a script, with the time between them."""
    steps: list[Step] = []
    now = 0.0
    for each in heard:
        tenths = round((each.at - now) * 10)
        if tenths > 0:
            steps.append(Step(Kind.TIME, value=min(255, tenths)))
            now = each.at
        if each.plaintext:
            steps.append(Step(Kind.RECORD, each.record))
    return script.encode(steps)


def bodies(recorder: Recorder) -> list[tuple[Type, bytes]]:
    """(type, body) of every record of a session that has one."""
    records = (heard.record for heard in recorder.heard if heard.plaintext)
    return [(Type(record.type), record.body) for record in records if record.type in BODIES]


def _body_seeds() -> list[bytes]:
    samples = [bytes([KINDS.index(type(sample))]) + encode(sample) for sample in SAMPLES]
    real = [bytes([KINDS.index(BODIES[kind])]) + body for one in (session(), returned()) for kind, body in bodies(one)]
    pair = Pair(Seeded(CRYPTO))
    more = [pair.profile(), SnapshotAsk(), pair.config.body()]
    return [*samples, *real, *(bytes([KINDS.index(type(each))]) + encode(each) for each in more)]


def _plaintexts(recorder: Recorder) -> list[bytes]:
    return [heard.plaintext for heard in recorder.heard if heard.plaintext]


def _first(sender: str) -> bytes:
    return session().of(sender)[0].frame


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "hello": lambda: [_first("client")[1:57]],
    "record": lambda: [*_plaintexts(session()), *_plaintexts(returned())],
    "body": _body_seeds,
    "chat": lambda: [chat_input([("system", "be brief"), ("user", "hi")]), encode(ChatParams(0.5, 0.9, 7, ("stop",)))],
    "greeting": lambda: [_first("client"), _first("client") + b"----" + session().of("client")[1].frame],
    "answer": lambda: [_first("provider"), b"\x03\x00\x67"],
    "auth": lambda: [body for kind, body in bodies(session()) if kind is Type.AUTH],
    "provider": lambda: [scripted(one.of("client")) for one in (session(), visit(), returned())],
    "client": lambda: [scripted(session().of("provider"))],
    "guest": lambda: [scripted(visit().of("provider"))],
}


@cache
def seeds(target: str) -> tuple[bytes, ...]:
    """The seeds of a target, each once."""
    return tuple(dict.fromkeys(SEEDS[target]()))
