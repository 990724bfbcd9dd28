"""A guest and a provider: one free question, and no way from it to anything else."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Accept, Body, Cancel, Data, End, Open, Voucher, amount_bytes, encode_body
from tallystick_shared.records import MAX_MESSAGE, Record, Type
from tallystick_shared.session import ProviderSession
from tallystick_shared.session import events as ev
from tallystick_shared.session.greeting import read_answer
from tallystick_shared.session.guest import FREE, PIECE, SERVICES, STREAM, GuestSession, GuestStream, Question, Signer
from tallystick_shared.session.tables import ConnectionState
from tests.shared.pair import CHANNELS, NODE_KEY, WALL, Pair
from tests.shared.tools import refused

SERVICE = SERVICES[0]


@dataclass
class Meeting:
    """A guest and a provider that answers `data`, and a wire of lists. `change` alters the provider's records."""

    pair: Pair
    question: Question
    data: bytes = b"all that there is"
    answers: bool = True
    wire: list[tuple[str, bytes]] = field(default_factory=list)
    asked: list[ev.GuestAsked] = field(default_factory=list)
    provider_end: list[ev.Closed] = field(default_factory=list)

    def __post_init__(self) -> None:
        pair, crypto = self.pair, self.pair.crypto
        signer = Signer(pair.operator, CHANNELS)
        self.guest = GuestSession(crypto, pair.hello, crypto.x25519_public(NODE_KEY), self.question, signer)
        self.provider = ProviderSession(crypto, pair.identity, WALL)

    def run(self) -> Meeting:
        self.guest.start()
        return self.settle()

    def settle(self) -> Meeting:
        moving = True
        while moving:
            moving = self._carry("guest", self.guest, self.provider)
            for event in self.provider.events():
                self._serve(event)
            moving |= self._carry("provider", self.provider, self.guest)
        return self

    def _carry(self, name: str, sender: GuestSession | ProviderSession, other: GuestSession | ProviderSession) -> bool:
        messages = sender.outgoing()
        for message in messages:
            self.wire.append((name, message))
            other.receive(message, 0.0)
        return bool(messages)

    def _serve(self, event: ev.Event) -> None:
        if isinstance(event, ev.Closed):
            self.provider_end.append(event)
        if isinstance(event, ev.GuestAsked):
            self.asked.append(event)
            if self.answers:
                for at in range(0, len(self.data), PIECE):
                    self.provider.guest_data(self.data[at : at + PIECE])
                self.provider.guest_end()

    @property
    def fault(self) -> Code | None:
        return self.guest.error.code if self.guest.error else None


@pytest.fixture
def meet(crypto):
    def make(service=SERVICE, params=b"which", most=10**6, **options) -> Meeting:
        return Meeting(Pair(crypto), Question(service, params, most), **options)

    return make


@pytest.mark.parametrize("service", SERVICES)
def test_a_question_and_its_answer(meet, service):
    met = meet(service).run()
    assert met.guest.answer == b"all that there is" and met.fault is None
    assert met.asked == [ev.GuestAsked(service, b"which", 10**6)]
    assert met.guest.closed and met.provider.closed and met.provider_end[0].error is None


def test_an_empty_answer(meet):
    assert meet(data=b"").run().guest.answer == b""


def test_a_long_answer_comes_in_full_records(meet):
    data = bytes(range(256)) * 1000
    met = meet(data=data).run()
    assert met.guest.answer == data
    sizes = [len(message) for sender, message in met.wire if sender == "provider"]
    assert max(sizes) <= MAX_MESSAGE and sizes.count(max(sizes)) == -(-len(data) // PIECE)


def test_no_more_than_was_asked_for(meet):
    assert meet(most=17).run().guest.answer == b"all that there is"
    met = meet(most=16, answers=False).run()
    with refused(Code.TOO_LARGE):
        met.provider.guest_data(met.data)


def test_a_refusal(meet):
    met = meet(answers=False).run()
    met.provider.refuse(PeerError(Code.BUSY))
    met.settle()
    assert met.fault is Code.BUSY and met.guest.answer is None


def test_a_goodbye_before_the_end_is_no_answer(meet):
    met = meet(answers=False).run()
    met.provider.guest_data(b"half of")
    met.provider.bye()
    met.settle()
    assert met.guest.closed and met.guest.answer is None


def test_nothing_is_sent_after_the_end(meet):
    met = meet().run()
    met.provider.guest_data(b"more")
    met.provider.guest_end()
    assert met.provider.outgoing() == []
    assert ProviderSession(met.pair.crypto, met.pair.identity, WALL).guest_end() is None


def test_the_receipt_is_over_the_answer(meet, crypto):
    met = meet()
    met.guest._signer = Signer(b"\x99" * 20, CHANNELS)
    assert met.run().fault is Code.BAD_RECEIPT and met.guest.answer is None


# -- guests that want more


def send(met: Meeting, kind: Type, body: Body, stream: int = STREAM) -> Meeting:
    """One more record from the guest."""
    met.guest._send(Record(kind, stream, encode_body(body)))
    return met.settle()


OPEN = Open(bytes(16), SERVICE, "", b"", 0, 100, FREE, FREE)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"service": "chat"}, Code.UNKNOWN_SERVICE),
        ({"service": "reach"}, Code.UNKNOWN_SERVICE),
        ({"input_length": 1}, Code.BAD_REQUEST),
        ({"price_in": amount_bytes(1)}, Code.BAD_REQUEST),
        ({"price_out": amount_bytes(1)}, Code.BAD_REQUEST),
    ],
)
def test_what_a_guest_may_not_ask(meet, changes, code):
    met = meet(answers=False)
    met.guest._greeting = lambda kind, body: greet_only(met.guest, kind, body)
    met.run()
    send(met, Type.OPEN, msgspec.structs.replace(OPEN, **changes))
    assert met.provider_end[0].error.code is code and met.asked == []


def greet_only(guest: GuestSession, kind: int, body: bytes) -> None:
    """The handshake, without the question."""
    read_answer(guest.crypto, guest._opening, kind, body)
    guest._start_transport(guest._opening.noise)
    guest.state = ConnectionState.GUEST


@pytest.mark.parametrize(
    ("kind", "body"),
    [(Type.OPEN, OPEN), (Type.CANCEL, Cancel(0)), (Type.VOUCHER, Voucher(amount_bytes(1), bytes(65)))],
)
def test_a_guest_has_one_stream_and_no_money(meet, kind, body):
    met = send(meet(answers=False).run(), kind, body, 0 if kind is Type.VOUCHER else 3)
    assert met.provider_end[0].error.code is Code.PROTOCOL and len(met.asked) == 1


def test_stream_zero_is_nobodys(meet):
    met = meet(answers=False)
    met.guest._greeting = lambda kind, body: greet_only(met.guest, kind, body)
    assert send(met.run(), Type.OPEN, OPEN, 0).provider_end[0].error.code is Code.PROTOCOL


@pytest.mark.parametrize("most", [0, 1 << 32])
def test_a_question_that_no_open_could_carry(most):
    with refused(Code.BAD_REQUEST):
        Question(SERVICE, b"", most)
    with refused(Code.BAD_REQUEST):
        Question(SERVICE, bytes(8193), 1)


# -- providers that lie


class Hostile:
    """A provider that sends records of its own making."""

    def __init__(self, met: Meeting) -> None:
        self.met = met
        self.stream = GuestStream(STREAM, OPEN)

    def send(self, kind: Type, body: Body, stream: int = STREAM) -> Code | None:
        self.met.provider._send(Record(kind, stream, encode_body(body)))
        self.met.settle()
        return self.met.fault


@pytest.fixture
def hostile(meet):
    return Hostile(meet(answers=False, most=100).run())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (Data(2, 4, 0, b"four"), Code.PROTOCOL),
        (Data(1, 5, 0, b"four"), Code.PROTOCOL),
        (Data(1, 3, 0, b"four"), Code.PROTOCOL),
        (Data(1, 101, 0, bytes(101)), Code.TOO_LARGE),
    ],
)
def test_data_that_does_not_add_up(hostile, body, code):
    assert hostile.send(Type.DATA, body) is code


def test_memory_is_bounded_by_the_question(hostile):
    assert hostile.send(Type.DATA, Data(1, 100, 0, bytes(100))) is None
    assert hostile.send(Type.DATA, Data(2, 101, 0, b"x")) is Code.TOO_LARGE
    assert len(hostile.met.guest._data) == 100


@pytest.mark.parametrize("changes", [{"units": 1}, {"amount": amount_bytes(1)}, {"digest": bytes(32)},
                                     {"receipt": bytes(65)}, {"salt": bytes(16)}])  # fmt: skip
def test_an_end_that_does_not_fit(hostile, crypto, changes):
    end = hostile.stream.end(crypto, hostile.met.pair.identity)
    changed = msgspec.structs.replace(end, **changes)
    assert hostile.send(Type.END, changed) in (Code.OVERCHARGED, Code.BAD_DIGEST, Code.BAD_RECEIPT)
    assert hostile.met.guest.answer is None


def test_records_out_of_turn(meet):
    end = End(0, 0, FREE, "stop", bytes(32), bytes(16), bytes(65))
    for kind, body, stream in ((Type.END, end, 2), (Type.ACCEPT, Accept(0, 0, 0, False), STREAM)):
        assert Hostile(meet(answers=False).run()).send(kind, body, stream) is Code.PROTOCOL


def test_a_stranger_behind_the_address(meet, crypto):
    met = meet()
    met.guest._node_key = crypto.x25519_public(b"\x77" * 32)
    assert met.run().fault is Code.HANDSHAKE_FAILED and met.asked == []


def test_it_starts_once(meet):
    met = meet().run()
    with refused(Code.PROVIDER_GONE):
        met.guest.start()
